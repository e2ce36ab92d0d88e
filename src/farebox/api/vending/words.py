"""Languages, and what things are called in them (vending-platform.md 2.5, 3.13).

A translation belongs to the group that wrote it, so two groups can call one thing differently.
"""

from typing import Final

from farebox.api.vending import tenancy
from farebox.api.vending.blueprint import Exposed, operations
from farebox.resource.definition import CREATED, ID, UPDATED, Association, Field, Resource

LANGUAGE = Resource(
    name="language",
    table="vending.language",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        Field("name", write="RO"),
        Field("language", write="RO", pattern=r"[a-z]{2,3}"),
        Field("locale", write="RO", pattern=r"[a-z]{2,3}([-_][A-Za-z]{2,4})*"),
        CREATED,
        UPDATED,
    ),
    associations=(
        Association("users", "user", back="t.language = {parent}::int"),
        Association("translations", "translation", back="t.language = {parent}::int"),
    ),
    unique={"language_locale_once": "locale"},
    referrers=(
        ("user", "vending.users", "language"),
        ("translation", "vending.translation", "language"),
        ("alertrecipient", "vending.alertrecipient", "language"),
    ),
)

TRANSLATION = Resource(
    name="translation",
    table="vending.translation",
    scope=tenancy.catalogue(),
    fields=(
        ID,
        Field("key", write="RO"),
        Field("language", "int", "RO", reference="language"),
        Field("value", write="OO", high=4000),
        Field("userGroup", "int", column="owner"),
        CREATED,
        UPDATED,
    ),
    associations=(Association("language", "language", column="language"),),
    unique={"translation_key_once": "key"},
)

EXPOSED: Final = (
    Exposed(
        resource=LANGUAGE,
        operations=operations("VEND-LANGUAGE", "list get create update delete populate"),
    ),
    Exposed(
        resource=TRANSLATION,
        operations=operations("VEND-TRANSLATION", "list get create update delete populate"),
    ),
)
