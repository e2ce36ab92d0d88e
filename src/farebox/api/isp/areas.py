"""Where money is collected: areas, streets, buildings (isp.md E15 to E20).

One route adds and edits: an id that is not empty means the place to edit. The document's answer
has no id, so a new one is told in `X-Resource-Id`.
"""

from typing import Any, Final

from farebox.api.isp.arguments import Argument
from farebox.api.isp.blueprint import Operation
from farebox.api.isp.dialect import Answer, Call, success
from farebox.api.isp.kinds import ID, NAME
from farebox.api.isp.listing import PAGING, listed
from farebox.api.isp.wire import AreaRow, BlockRow, Listed, StreetRow, Success
from farebox.engine.areas import AREA, BLOCK, STREET, Level


async def _save(call: Call, level: Level, name: str, above: str | None, number: str) -> Answer:
    known = call[number]
    saved = await call.services.provider.areas.save(
        call.account.id, level, call[name], call[above] if above else None, known
    )
    return success(None if known else {"X-Resource-Id": str(saved)})


async def add_area(call: Call) -> Answer:
    """Adds or renames an area."""
    return await _save(call, AREA, "areaName", None, "inputAreaId")


async def add_street(call: Call) -> Answer:
    """Adds a street, or renames it and moves it to the given area."""
    return await _save(call, STREET, "StreetName", "inputAreaId", "inputStreetId")


async def add_block(call: Call) -> Answer:
    """Adds a building, or renames it and moves it to the given street."""
    return await _save(call, BLOCK, "BlockName", "inputStreetId", "inputBlockId")


async def _list(call: Call, level: Level, above: int | None, wrapper: str) -> Answer:
    areas = call.services.provider.areas

    def render(row: Any) -> dict[str, Any]:
        inner = {"id": str(row["id"]), "account_id": row["account"]}
        if level.above is not None:
            inner[f"{level.above.name}_id"] = str(row["above"])
        return {wrapper: {**inner, level.name: row["name"], "internal": None}}

    async def fetch(after: int, most: int) -> Any:
        return await areas.list(call.account.id, level, above, after, most)

    answer: Answer = await listed(call, fetch, render)
    return answer


async def get_all_areas(call: Call) -> Answer:
    """All areas."""
    return await _list(call, AREA, None, "CollectionArea")


async def get_all_streets(call: Call) -> Answer:
    """All streets, or those of an area."""
    return await _list(call, STREET, call["inputAreaId"], "CollectionStreet")


async def get_all_buildings(call: Call) -> Answer:
    """All buildings, or those of a street."""
    return await _list(call, BLOCK, call["streetId"] or call["inputStreetId"], "CollectionBlock")


OPERATIONS: Final = (
    Operation(
        id="ISP-E15-ADD", also=("ISP-E15-EDIT",), method="POST", path="add_area", scope="write",
        run=add_area, gives=Success,
        takes=(Argument("areaName", NAME), Argument("inputAreaId", ID, required=False)),
    ),
    Operation(
        id="ISP-E16-ADD", also=("ISP-E16-EDIT",), method="POST", path="add_street", scope="write",
        run=add_street, gives=Success,
        takes=(
            Argument("StreetName", NAME),
            Argument("inputAreaId", ID),
            Argument("inputStreetId", ID, required=False),
        ),
    ),
    Operation(
        id="ISP-E17-ADD", also=("ISP-E17-EDIT",), method="POST", path="add_block", scope="write",
        run=add_block, gives=Success,
        takes=(
            Argument("BlockName", NAME),
            Argument("inputStreetId", ID),
            Argument("inputBlockId", ID, required=False),
        ),
    ),
    Operation(
        id="ISP-E18", method="GET", path="get_all_areas", scope="read", run=get_all_areas,
        gives=Listed[AreaRow], takes=PAGING,
    ),
    Operation(
        id="ISP-E19", method="POST", path="get_all_streets", scope="read", run=get_all_streets,
        gives=Listed[StreetRow], takes=(Argument("inputAreaId", ID, required=False), *PAGING),
        second_method=True,
    ),
    Operation(
        id="ISP-E20", method="POST", path="get_all_buildings", scope="read",
        run=get_all_buildings, gives=Listed[BlockRow], second_method=True,
        takes=(
            Argument("streetId", ID, required=False),
            Argument("inputStreetId", ID, required=False),
            *PAGING,
        ),
    ),
)  # fmt: skip
