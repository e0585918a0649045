"""What people read of the clocks, in Japanese and English; the words of the report's section."""

from __future__ import annotations

import polars as pl

from op25b.settings import Language
from op25b.small_cells import MARK, SmallCells
from op25b.texts import Text, percent

ATTRIBUTIONS: dict[str, Text] = {
    "attributed": {"ja": "回線を特定", "en": "attributed"},
    "unattributed": {"ja": "リース記録なし", "en": "no lease"},
    "ambiguous": {"ja": "リースの重複", "en": "overlapping leases"},
    "by_address": {"ja": "アドレス単位", "en": "by address"},
}
COLUMNS: dict[str, Text] = {
    "access_node": {"ja": "収容装置", "en": "access node"},
    "flows": {"ja": "フローレコード", "en": "flow records"},
    "untied": {"ja": "回線を特定できないフローの割合", "en": "share of flow records tied to no line"},
    "all_tied": {"ja": "すべてのフローレコードの回線を特定できました",
                 "en": "every flow record of the subscribers’ networks is tied to a line"},
    "share": {"ja": "特定できた割合", "en": "share attributed"},
}
NOTES: dict[str, Text] = {
    "unknown": {"ja": "不明", "en": "unknown"},
    "pool": {"ja": "不明（NAS {server}）", "en": "unknown (NAS {server})"},
    "more-nodes": {"ja": "フローレコードの多い{shown}台を示しました。残りは{rest}台です。",
                   "en": "The {shown} access nodes with most flow records; {rest} more are not shown."},
    "too-many": {
        "ja": "接続が{most}件を超えるため、時計のずれの影響はこの報告書に含めていません"
              "（op25b coverage で確認できます）。",
        "en": "What differing clocks would do is left out here, as there are more than {most} connections: "
              "'op25b coverage' tells."},
}
_SENTENCES: dict[str, Text] = {
    "flows": {
        "ja": "リース記録とフローの時計が{shift}秒ずれていたとすると、フローレコード{flows}件のうち"
              "最大{lost}件（{lost_share}）は回線を特定できなくなり、"
              "最大{other}件（{other_share}）は別の回線のものになります。後者は記録からは気付けません。",
        "en": "If the clocks of lease logs and flows differed by {shift} s, up to {lost} of the {flows} flow records "
              "({lost_share}) would be nobody's, and up to {other} ({other_share}) another line's, which no record "
              "would show."},
    "findings": {
        "ja": "外部の25番ポートへ送信する{listed}回線のうち、一覧から消えるのは最大{disappear}回線、"
              "一覧から消えるか、根拠となる通信が変わるのは最大{other}回線（{share}）です。"
              "新たに一覧に加わるのは最大{appear}回線です。",
        "en": "Of the {listed} lines listed as senders to external port 25, up to {disappear} would not be listed, and "
              "up to {other} ({share}) would not be or would rest on other evidence; up to {appear} would be new."},
    "none": {
        "ja": "リースの記録がないため、時計のずれの影響は評価できません。",
        "en": "There are no leases, so nothing can be said of their clock."},
}


def sentences(frame: pl.DataFrame, findings: pl.DataFrame, language: Language,
              cells: SmallCells | None = None) -> list[str]:
    """What differing clocks would do, from rows of `coverage` (any group) and those per finding.

    Numbers of lines under the limit of `cells` are not shown, nor shares that would tell them.
    """
    totals = frame.group_by("lease_clock").agg(pl.col(pl.Int64).exclude("lease_clock").sum())
    moved = totals.filter(pl.col("lease_clock") != 0)
    flows = int(totals["flows"].max() or 0)  # type: ignore[arg-type]  # a count
    if not flows or moved.is_empty():
        return []
    if int(totals["by_address"].max() or 0) == flows:  # type: ignore[arg-type]
        return [_SENTENCES["none"][language]]
    lost = _highest(moved, pl.col("became_unattributed") + pl.col("became_ambiguous"))
    other = _highest(moved, pl.col("another_line"))
    said = _SENTENCES["flows"][language].format(
        shift=f"{_highest(moved, pl.col('lease_clock')):,}", flows=f"{flows:,}", lost=f"{lost:,}", other=f"{other:,}",
        lost_share=percent(lost / flows), other_share=percent(other / flows))
    listed = _highest(findings, pl.col("listed"))
    if not listed:
        return [said]
    shown = cells or SmallCells(1)
    touched = _highest(findings, pl.col("disappear") + pl.col("other_evidence"))
    share = MARK if shown.hides(touched, listed) else percent(touched / listed)
    return [said, _SENTENCES["findings"][language].format(
        listed=shown.shown(listed), disappear=shown.shown(_highest(findings, pl.col("disappear")), touched),
        other=shown.shown(touched, listed), share=share, appear=shown.shown(_highest(findings, pl.col("appear"))))]


def _highest(frame: pl.DataFrame, value: pl.Expr) -> int:
    return int(frame.select(value.max()).item() or 0)
