"""Reads the rows of a bulk load from CSV or NDJSON and names every fault by line and column.

A row with a `code` is a voucher, a row with a `name` a campaign; members are spelled as in the API.
An empty cell of a CSV file is an absent member. Nothing here knows the database: whether a campaign
exists, or a voucher already, is not its question.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal

import msgspec

from farebox.domain import codes, styles
from farebox.domain.campaigns import DEFAULT_CURRENCY, DEFAULT_TIME_ZONE, TOTAL_MAX, VALUE_MAX
from farebox.domain.errors import InvalidError
from farebox.domain.vouchers import COMMENTS_MAX

Money = Annotated[int, msgspec.Meta(ge=0, le=VALUE_MAX)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Frequency = Literal["never", "day", "week", "month"]
Status = Literal["active", "inactive"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Text = Annotated[str, msgspec.Meta(max_length=COMMENTS_MAX)]

FORMATS: Final = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
# Members whose value is JSON text in a CSV cell.
_JSON_COLUMNS: Final = ("validationRules",)


class VoucherRow(
    msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True, gc=False
):
    """A voucher to be loaded; counters let one move over with what it has left."""

    campaign: int | str
    code: str
    type: Literal["inherit", "discount", "gift"] = "inherit"
    value: Money | None = None
    redemption_limit: Money = 0
    reset_frequency: Frequency = "never"
    time_zone: str = DEFAULT_TIME_ZONE
    expires_on: str | None = None
    prefix: str = codes.DEFAULT_PREFIX
    status: Status = "active"
    text1: Text | None = None
    text2: Text | None = None
    text3: Text | None = None
    text4: Text | None = None
    voucher_comments: Text | None = None
    validation_rules: list[Any] | None = None
    redemption_count: Count = 0
    amount_redeemed: Count = 0
    # Absent: the same as in the current window.
    total_redemption_count: Count | None = None
    total_amount_redeemed: Count | None = None


class CampaignRow(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A campaign to be loaded; `totalVouchers` of them are generated beside those in the file."""

    name: Name
    voucher_value: Money
    total_vouchers: Annotated[int, msgspec.Meta(ge=0, le=TOTAL_MAX)] = 0
    type: Literal["discount", "gift", "dynamic"] = "discount"
    redemption_limit: Money = 0
    reset_frequency: Frequency = "never"
    expires_on: str | None = None
    currency: str = DEFAULT_CURRENCY
    time_zone: str = DEFAULT_TIME_ZONE
    prefix: str = codes.DEFAULT_PREFIX
    voucher_text1: Text | None = None
    voucher_text2: Text | None = None
    voucher_text3: Text | None = None
    voucher_text4: Text | None = None
    voucher_style: str | None = None
    status: Status = "active"
    owner_data: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """What is wrong where: line, column, what was expected and what stands there."""

    line: int
    column: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: expected {self.expected}, found {self.actual}"


Row = VoucherRow | CampaignRow
Read = tuple[int, Row | Fault]


def format_of(path: Path) -> str:
    """`csv` or `ndjson`, by the ending of the name."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise InvalidError(f"{path.name}: expected a file that ends in {known}") from None


def read_rows(file: IO[str], format: str) -> Iterator[Read]:
    """Every row with its line number: as a voucher, as a campaign, or as the fault in it."""
    return _read_csv(file) if format == "csv" else _read_ndjson(file)


def _read_ndjson(file: IO[str]) -> Iterator[Read]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            raw = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            yield line, Fault(line, "the line", "a JSON object", f"{_shown(text)} ({error})")
            continue
        if isinstance(raw, dict):
            yield line, _row(line, raw, lenient=False)
        else:
            yield line, Fault(line, "the line", "a JSON object", _shown(raw))


def _read_csv(file: IO[str]) -> Iterator[Read]:
    reader = csv.reader(file, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        doubled = sorted({name for name in header if header.count(name) > 1})
        if doubled or not header:
            yield 1, Fault(1, "the header", "every column once", _shown(doubled or "an empty file"))
            return
        for cells in reader:
            line = reader.line_num
            if len(cells) == len(header):
                raw = {n: cell for n, cell in zip(header, cells, strict=True) if cell != ""}
                if raw:
                    yield line, _row(line, raw, lenient=True)
            elif cells:
                yield line, Fault(line, "the line", f"{len(header)} cells", f"{len(cells)}")
    except csv.Error as error:
        yield reader.line_num, Fault(reader.line_num, "the line", "CSV", str(error))


def _row(line: int, raw: dict[str, Any], *, lenient: bool) -> Row | Fault:
    kind: type[Row] = CampaignRow if "name" in raw and "code" not in raw else VoucherRow
    try:
        if lenient:
            for column in _JSON_COLUMNS:
                if column in raw:
                    raw[column] = _json_cell(raw[column])
        row: Row = msgspec.convert(raw, kind, strict=not lenient)
    except msgspec.ValidationError as error:
        return _fault(line, raw, str(error))
    return _checked(line, row)


def _json_cell(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _checked(line: int, row: Row) -> Row | Fault:
    """What a type cannot say: the form of codes, prefixes and styles, and counters that agree."""
    if not codes.is_prefix(row.prefix):
        return Fault(line, "prefix", "1 to 5 letters or digits", _shown(row.prefix))
    if isinstance(row, CampaignRow):
        try:
            styles.check_style(row.voucher_style, "voucherStyle")
        except InvalidError as error:
            reasons = "; ".join(error.fields.values()) or error.message
            return Fault(line, "voucherStyle", f"a style: {reasons}", _shown(row.voucher_style))
        return row
    try:
        row.code = codes.check_custom(row.code)
    except InvalidError:
        expected = "1 to 64 printable ASCII characters without space and / \\ % ? # \" ' < >"
        return Fault(line, "code", expected, _shown(row.code))
    if row.type != "inherit" and row.value is None:
        return Fault(line, "value", f"a value for type {row.type}", "nothing")
    for now, ever, name in (
        (row.redemption_count, row.total_redemption_count, "totalRedemptionCount"),
        (row.amount_redeemed, row.total_amount_redeemed, "totalAmountRedeemed"),
    ):
        if ever is not None and ever < now:
            return Fault(line, name, f"at least {now}, the current window's", str(ever))
    return row


def _fault(line: int, raw: dict[str, Any], message: str) -> Fault:
    """msgspec says what it expected and where; what stands there is ours to show."""
    said, _, path = message.partition(" - at `$.")
    column = path.rstrip("`").partition("[")[0].partition(".")[0]
    if said.startswith("Object missing required field"):
        return Fault(line, said.split("`")[1], "a value", "nothing")
    if said.startswith("Object contains unknown field"):
        name = said.split("`")[1]
        return Fault(line, name, "a known column", _shown(raw.get(name)))
    expected = said.removeprefix("Expected ").partition(", got ")[0]
    if said.startswith("Invalid enum value"):
        expected = "one of the documented values"
    return Fault(
        line,
        column or "the line",
        expected.replace("`", "").removesuffix(" | null"),
        _shown(raw.get(column)),
    )


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
