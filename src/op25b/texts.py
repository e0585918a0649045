"""What people read, in Japanese and English: classes, remedies, destination groups, and the sentences about them."""

from __future__ import annotations

from op25b.settings import Language

Text = dict[Language, str]

CLASSES: dict[str, Text] = {
    "mail-program": {"ja": "他社メールサーバーを使うメールソフト", "en": "mail program with another provider"},
    "own-server": {"ja": "自前のメールサーバー", "en": "own mail server"},
    "bot": {"ja": "ボット・迷惑メール送信ソフト", "en": "bot or spam software"},
    "device": {"ja": "機器・自動送信プログラム（複合機、カメラ等）",
               "en": "device or script (printer, NAS, camera)"},
    "scanner": {"ja": "ポートスキャン", "en": "scanner"},
    "mobile-sender": {"ja": "携帯電話宛て直接送信（規制済み）",
                      "en": "sends straight to mobile carriers (already blocked)"},
    "unclear": {"ja": "判定に足る証拠なし", "en": "not enough evidence"},
}
REMEDIES: dict[str, Text] = {
    "submission-587": {"ja": "ご利用中の事業者のサブミッションポート587番（SMTP AUTH）へ変更",
                       "en": "switch to port 587 with SMTP AUTH at the provider in use"},
    "own-relay": {"ja": "当社の送信サーバーを利用する設定へ変更", "en": "switch to our own sending server"},
    "relay-or-fixed-ip": {"ja": "当社の送信サーバー経由の中継、または固定IPプランへ変更",
                          "en": "relay through our sending server, or move to a fixed-IP plan"},
    "disinfect": {"ja": "ウイルス・ボットの駆除", "en": "remove the malware"},
    "investigate": {"ja": "送信している機器と用途の確認", "en": "find out what on the line sends mail, and why"},
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
    "maybe-affected": {"ja": "影響がある可能性があります。現在の送信が成立しているかは、記録からは判断できません",
                       "en": "may be affected: the records do not tell whether its mail works today"},
    "attempts-only": {"ja": "新たに規制されますが、現在成立している送信はありません",
                      "en": "newly blocked, but none of its attempts works today"},
    "already-blocked": {"ja": "新たな影響はありません。今回の変更以前から規制済みの通信があります",
                        "en": "nothing new: part of its traffic is blocked already"},
    "exempt": {"ja": "影響はありません（固定IPプランなど、規制の対象外です）",
               "en": "not affected: its direct sending is exempt (fixed-IP plan or another rule)"},
    "not-affected": {"ja": "影響はありません", "en": "not affected"},
    "no-traffic": {"ja": "この回線のものと特定できるメール送信がないため、影響は確認されていません",
                   "en": "no mail was seen that could be tied to this line, so no effect is known"},
}

CONFIDENCES: dict[str, Text] = {
    "high": {"ja": "高", "en": "high"},
    "medium": {"ja": "中", "en": "medium"},
    "low": {"ja": "低", "en": "low"},
}
STEPS: dict[str, Text] = {
    "title": {"ja": "段階", "en": "step"},
    "listed": {"ja": "回線一覧にある回線", "en": "lines in the subscriber list"},
    "seen": {"ja": "メール送信を観測した回線", "en": "seen sending mail"},
    "external": {"ja": "外部の25番ポートへ送信する回線", "en": "send to external port 25"},
    "newly_blocked": {"ja": "新たに規制される回線", "en": "newly blocked"},
    "loses": {"ja": "現在成立している送信を失う回線", "en": "lose mail that works today"},
    "notice": {"ja": "案内が必要な回線", "en": "need a notice"},
}
MEASURES: dict[str, Text] = {
    "subscribers in the subscriber list": {"ja": "回線一覧にある回線", "en": "subscribers in the subscriber list"},
    "flow records on mail ports": {"ja": "メール関連ポートのフローレコード", "en": "flow records on mail ports"},
    "flow records of the subscribers' networks on mail ports": {
        "ja": "うち加入者ネットワークのもの", "en": "of these, of the subscribers' networks"},
    "attributed to a subscriber": {"ja": "回線を特定できたもの", "en": "attributed to a subscriber"},
    "unattributed (no lease)": {"ja": "回線を特定できないもの（リース記録なし）", "en": "unattributed (no lease)"},
    "ambiguous (overlapping leases)": {"ja": "回線が一つに定まらないもの（リースの重複）",
                                       "en": "ambiguous (overlapping leases)"},
    "by address, as there are no leases": {"ja": "リース記録がないため、アドレス単位で数えたもの",
                                           "en": "by address, as there are no leases"},
}
KINDS: dict[str, Text] = {
    "observed": {"ja": "観測した期間", "en": "observed"},
    "extrapolated": {"ja": "延長した場合の推定", "en": "extrapolated"},
}
EFFECTS: dict[str, Text] = {
    "left": {"ja": "残るボットの接続", "en": "bots' connections left"},
    "hit": {"ja": "影響を受ける他の回線の送信日", "en": "days of other lines hit"},
}
AXES: dict[str, Text] = {
    "scenario": {"ja": "案", "en": "scenario"},
    "scenarios": {"ja": "案ごとの影響", "en": "what each scenario does"},
    "low": {"ja": "下限", "en": "low"},
    "high": {"ja": "上限", "en": "high"},
    "days": {"ja": "期間の日数", "en": "length of the window in days"},
    "kind": {"ja": "区分", "en": "kind"},
    "growth": {"ja": "期間の長さと、送信を失う回線の数", "en": "lines that lose mail, by the length of the window"},
    "cap": {"ja": "上限（接続／回線・日）", "en": "limit (connections per line and day)"},
    "effect": {"ja": "影響", "en": "effect"},
    "part": {"ja": "割合", "en": "share"},
    "rates": {"ja": "送信数の上限の効果", "en": "what limits of rate would do"},
    "funnel": {"ja": "回線一覧から案内が必要な回線まで", "en": "from lines in the list to lines that need a notice"},
    "connections": {"ja": "宛先別・影響別の接続数の推移", "en": "connections over time by destination and impact"},
    "classes": {"ja": "送信の種類別の回線数", "en": "lines by kind of sender"},
    "remedies": {"ja": "対処別の回線数", "en": "lines by remedy"},
    "nodes": {"ja": "収容装置と送信の種類別の回線数", "en": "lines by access node and kind of sender"},
    "time": {"ja": "時刻（現地時間）", "en": "local time"},
    "from": {"ja": "開始", "en": "from"},
    "until": {"ja": "終了", "en": "until"},
    "sessions": {"ja": "接続数", "en": "connections"},
    "subscribers": {"ja": "回線数", "en": "lines"},
    "share": {"ja": "送信を観測した回線に占める割合", "en": "share of lines seen sending"},
    "group": {"ja": "宛先", "en": "destination"},
    "impact": {"ja": "影響", "en": "impact"},
    "class": {"ja": "送信の種類", "en": "kind of sender"},
    "remedy": {"ja": "対処", "en": "remedy"},
    "node": {"ja": "収容装置", "en": "access node"},
    "step": {"ja": "段階", "en": "step"},
}


def text(table: dict[str, Text], key: str | None, language: Language) -> str:
    """The words for a key, or the key itself where none are known."""
    return table[key][language] if key in table else (key or "")


def percent(part: float | None) -> str:
    """A share in words of numbers: whole per cent, one decimal below ten, never a 0 % that is not one."""
    if part is None:
        return ""
    if 0 < part < 0.0005:
        return "<0.1 %"
    return f"{part:.0%}".replace("%", " %") if part >= 0.0995 or part == 0 else f"{part:.1%}".replace("%", " %")
