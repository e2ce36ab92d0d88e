"""What alert mails say, in the recipient's language (vending-platform.md 4.7).

English where a language has no words here. A group may say it in its own words: translations of
the keys `alert.subject` and `alert.text`, with the same `$names` as below. Knows no rows.
"""

from collections.abc import Mapping
from string import Template
from typing import Final

import msgspec

SUBJECT_KEY: Final = "alert.subject"
TEXT_KEY: Final = "alert.text"
UNIT_MS: Final = {1: 60_000, 2: 3_600_000, 3: 86_400_000, 4: 604_800_000}


class Words(msgspec.Struct, frozen=True):
    """The phrases of one language; units come as one and many."""

    units: tuple[tuple[str, str], tuple[str, str], tuple[str, str], tuple[str, str]]
    event_occurrence: str
    event_non_resolution: str
    event_non_occurrence: str
    transaction_occurrence: str
    transaction_non_occurrence: str
    any_error: str
    text: str


ENGLISH: Final = Words(
    (("minute", "minutes"), ("hour", "hours"), ("day", "days"), ("week", "weeks")),
    "$error: reported $occurs times or more within $window",
    "$error: unresolved for $window",
    "$error: not reported for $window",
    "$occurs sales or more within $window",
    "no sale for $window",
    "any error",
    "$observer: $condition.\n\nMachine: $machine ($hostname)\nLocation: $location\nTime: $time\n",
)
WORDS: Final[Mapping[str, Words]] = {
    "en": ENGLISH,
    "nl": Words(
        (("minuut", "minuten"), ("uur", "uur"), ("dag", "dagen"), ("week", "weken")),
        "$error: $occurs keer of vaker gemeld binnen $window",
        "$error: al $window niet opgelost",
        "$error: al $window niet gemeld",
        "$occurs of meer verkopen binnen $window",
        "al $window geen verkoop",
        "een storing",
        "$observer: $condition.\n\nAutomaat: $machine ($hostname)\nLocatie: $location\n"
        "Tijd: $time\n",
    ),
    "de": Words(
        (("Minute", "Minuten"), ("Stunde", "Stunden"), ("Tag", "Tagen"), ("Woche", "Wochen")),
        "$error: $occurs Mal oder öfter gemeldet innerhalb von $window",
        "$error: seit $window nicht behoben",
        "$error: seit $window nicht gemeldet",
        "$occurs oder mehr Verkäufe innerhalb von $window",
        "seit $window kein Verkauf",
        "eine Störung",
        "$observer: $condition.\n\nAutomat: $machine ($hostname)\nStandort: $location\n"
        "Zeit: $time\n",
    ),
    "fr": Words(
        (("minute", "minutes"), ("heure", "heures"), ("jour", "jours"), ("semaine", "semaines")),
        "$error : signalé $occurs fois ou plus en $window",
        "$error : non résolu depuis $window",
        "$error : non signalé depuis $window",
        "$occurs ventes ou plus en $window",
        "aucune vente depuis $window",
        "une erreur",
        "$observer : $condition.\n\nMachine : $machine ($hostname)\nLieu : $location\n"
        "Heure : $time\n",
    ),
}
_SUBJECT: Final = "$observer: $machine, $location"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """What fired, where and when; `error` is already in the reader's language if it can be."""

    observer: str
    kind: str
    timer: int
    timer_type: int
    occurs: int
    error: str | None
    machine: str
    hostname: str
    location: str
    time: str


def mail(
    alert: Alert, language: str, *, subject: str | None = None, text: str | None = None
) -> tuple[str, str]:
    """Subject and text; `subject` and `text` are the group's own words instead of ours."""
    words = WORDS.get(language, ENGLISH)
    one, many = words.units[alert.timer_type - 1]
    names = {
        "error": alert.error or words.any_error,
        "occurs": str(alert.occurs),
        "window": f"{alert.timer} {one if alert.timer == 1 else many}",
    }
    condition = Template(getattr(words, alert.kind)).safe_substitute(names)
    names |= {"condition": condition}
    names |= {
        name: getattr(alert, name) for name in ("observer", "machine", "hostname", "location")
    }
    names |= {"time": alert.time}
    told = Template(subject or _SUBJECT).safe_substitute(names)
    return " ".join(told.split()), Template(text or words.text).safe_substitute(names)
