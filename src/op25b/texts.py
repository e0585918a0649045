"""What people read, in Japanese and English: classes, remedies, destination groups, and the sentences about them."""

from __future__ import annotations

from op25b.workspace import Language

Text = dict[Language, str]

CLASSES: dict[str, Text] = {
    "mail-program": {"ja": "他社メールサーバーを使うメールソフト", "en": "mail program with another provider"},
    "own-server": {"ja": "自前のメールサーバー", "en": "own mail server"},
    "bot": {"ja": "ボット・迷惑メール送信ソフト", "en": "bot or spam software"},
    "mobile-sender": {"ja": "携帯電話宛て直接送信（規制済み）", "en": "sends straight to mobile carriers (already blocked)"},
    "unclear": {"ja": "判定に足る証拠なし", "en": "not enough evidence"},
}
REMEDIES: dict[str, Text] = {
    "submission-587": {"ja": "ご利用中の事業者のサブミッションポート587番（SMTP AUTH）へ変更",
                       "en": "switch to port 587 with SMTP AUTH at the provider in use"},
    "own-relay": {"ja": "当社の送信サーバーを利用する設定へ変更", "en": "switch to our own sending server"},
    "relay-or-fixed-ip": {"ja": "当社の送信サーバー経由の中継、または固定IPプランへ変更",
                          "en": "relay through our sending server, or move to a fixed-IP plan"},
    "disinfect": {"ja": "ウイルス・ボットの駆除", "en": "remove the malware"},
}
GROUPS: dict[str, Text] = {
    "own-relay": {"ja": "当社の送信サーバー", "en": "our own sending server"},
    "mobile-carrier": {"ja": "携帯電話事業者", "en": "mobile carriers"},
    "known-provider": {"ja": "既知の他社メール", "en": "known mail providers"},
    "other": {"ja": "その他の宛先", "en": "other destinations"},
}
IMPACTS: dict[str, Text] = {
    "already_blocked": {"ja": "規制済み", "en": "already blocked"},
    "newly_blocked": {"ja": "新たに規制", "en": "newly blocked"},
    "released": {"ja": "規制解除", "en": "no longer blocked"},
    "untouched": {"ja": "影響なし", "en": "untouched"},
}
VERDICTS: dict[str, Text] = {
    "affected": {"ja": "影響があります。現在送信できているメールが送信できなくなります",
                 "en": "affected: mail that works today will stop"},
    "attempts-only": {"ja": "新たに規制されますが、現在成立している送信はありません",
                      "en": "newly blocked, but none of its attempts works today"},
    "already-blocked": {"ja": "新たな影響はありません。今回の変更以前から規制済みの通信があります",
                        "en": "nothing new: part of its traffic is blocked already"},
    "exempt": {"ja": "影響はありません（固定IPプランなど、規制の対象外です）",
               "en": "not affected: its direct sending is exempt (fixed-IP plan or another rule)"},
    "not-affected": {"ja": "影響はありません", "en": "not affected"},
    "no-traffic": {"ja": "観測期間中のメール送信がないため、影響は確認されていません",
                   "en": "no mail was seen from this line, so no effect is known"},
}


def text(table: dict[str, Text], key: str | None, language: Language) -> str:
    """The words for a key, or the key itself where none are known."""
    return table[key][language] if key in table else (key or "")
