"""Languages and translations: the examples of vending-platform.md 5, and what was chosen beyond."""

from tests.api.conftest import Api, Golden
from tests.golden import Example

DUTCH = {"name": "Dutch", "language": "nl", "locale": "nl-NL"}
WATER = {"key": "ED017", "language": 1, "value": "Water op"}

LANGUAGE = (
    Example("VEND-LANGUAGE-CREATE", "POST", "/language", DUTCH, 201, {"id": 2}),
    Example("VEND-LANGUAGE-UPDATE", "PATCH", "/language/2", {"name": "Nederlands"},
            answer={"message": "Language updated"}),
    Example("VEND-TRANSLATION-CREATE", "POST", "/translation", {**WATER, "language": 2}, 201,
            {"id": ...}),
    Example("VEND-LANGUAGE-GET", "GET", "/language/2", answer={
        "id": 2, "name": "Nederlands", "language": "nl", "locale": "nl-NL",
        "createdAt": "2026-03-10T09:00:00Z", "updatedAt": "2026-03-10T09:00:00Z"}),
    Example("VEND-LANGUAGE-LIST", "GET", "/language?sort=locale desc", answer=[2, 1]),
    Example("VEND-LANGUAGE-POPULATE", "GET", "/language/1/users", answer=[2]),
    Example("VEND-LANGUAGE-DELETE", "DELETE", "/language/2", status=409, answer={
        "code": "in_use", "fields": {"translation": "refers to it"}}),
)  # fmt: skip

TRANSLATION = (
    Example("VEND-TRANSLATION-CREATE", "POST", "/translation", WATER, 201, {"id": 1}),
    Example("VEND-TRANSLATION-CREATE", "POST", "/translation", WATER, 409,
            {"code": "duplicate", "fields": {"key": ...}}),
    Example("VEND-TRANSLATION-UPDATE", "PATCH", "/translation/1", {"value": "Geen water"},
            answer={"message": "Translation updated"}),
    Example("VEND-TRANSLATION-GET", "GET", "/translation/1", answer={
        "id": 1, "key": "ED017", "language": 1, "value": "Geen water", "userGroup": 2}),
    Example("VEND-TRANSLATION-POPULATE", "GET", "/translation/1/language", answer=1),
    Example("VEND-LANGUAGE-POPULATE", "GET", "/language/1/translations", answer=[1]),
    Example("VEND-TRANSLATION-LIST", "GET", "/translation?key=ED017", answer=[1]),
    Example("VEND-TRANSLATION-LIST", "GET", "/translation", answer=[], by="sam"),
    Example("VEND-TRANSLATION-GET", "GET", "/translation/1", status=404, by="sam"),
    Example("VEND-TRANSLATION-UPDATE", "PATCH", "/translation/1", {"value": None}),
    Example("VEND-TRANSLATION-GET", "GET", "/translation/1", answer={"value": None}),
    Example("VEND-TRANSLATION-DELETE", "DELETE", "/translation/1"),
    Example("VEND-TRANSLATION-DELETE", "DELETE", "/translation/1", status=404),
)  # fmt: skip

REFUSED = (
    # Language 1 is everybody's, so only groups that administer everything may change it.
    Example("VEND-LANGUAGE-UPDATE", "PATCH", "/language/1", {"name": "x"}, 403,
            {"code": "forbidden"}),
    Example("VEND-LANGUAGE-UPDATE", "PATCH", "/language/1", {"name": "x"}, 200, by="root"),
    Example("VEND-LANGUAGE-DELETE", "DELETE", "/language/1", status=403),
    Example("VEND-LANGUAGE-CREATE", "POST", "/language", {}, 400,
            {"code": "missing_parameters",
             "fields": {"name": ..., "language": ..., "locale": ...}}),
    Example("VEND-LANGUAGE-CREATE", "POST", "/language", {**DUTCH, "locale": "nl NL"}, 400),
    Example("VEND-LANGUAGE-CREATE", "POST", "/language", {**DUTCH, "language": "NL"}, 400),
    Example("VEND-TRANSLATION-CREATE", "POST", "/translation", {**WATER, "language": 9}, 400,
            {"code": "invalid_reference", "fields": {"language": ...}}),
    Example("VEND-TRANSLATION-CREATE", "POST", "/translation", {**WATER, "key": "k" * 256}, 400),
    Example("VEND-TRANSLATION-CREATE", "POST", "/translation", {**WATER, "value": "v" * 4001},
            400),
)  # fmt: skip


async def test_life_of_a_language(golden: Golden) -> None:
    """It is created, renamed, listed, and kept while a translation is in it."""
    await golden(*LANGUAGE)


async def test_life_of_a_translation(golden: Golden) -> None:
    """One value for each key and language of a group; strangers see none of it."""
    await golden(*TRANSLATION)


async def test_refusals(golden: Golden) -> None:
    """What may not be, and by whom."""
    await golden(*REFUSED)


async def test_locales_are_once_per_owner(api: Api) -> None:
    """A group may have a locale that others have, but not twice."""
    english = {"name": "English", "language": "en", "locale": "en-GB"}
    for name, status in (("nora", 201), ("nora", 409), ("sam", 201)):
        answer = await (await api.login(name)).post("/language", english)
        assert status == answer.status_code, answer.text
