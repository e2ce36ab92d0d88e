"""Which rows a caller sees and may write: the four classes of vending-platform.md 4.2 as scopes.

Each function gives the scope for a resource whose owner, location or user is a column of `t`.
They become part of every statement, so that no list, count, filter or error can tell of other rows.
"""

from dataclasses import replace
from typing import Final

from farebox.resource.definition import Scope
from farebox.storage.sqlfile import load

SQL = load(__file__)
_OWNED: Final = f"({SQL.owned_locations})"
_ASSIGNED: Final = f"({SQL.assigned_locations})"
_SEEN: Final = f"({_OWNED} union all {_ASSIGNED})"


def owned(column: str = "t.owner") -> Scope:
    """Class A: rows of the caller's group and of the groups below it."""
    return Scope(f"{column} = any({{groups}}::int[])")


def owned_or_assigned(column: str = "t.owner") -> Scope:
    """Class A for location groups: seen also when assigned, written only when owned."""
    mine = f"{column} = any({{groups}}::int[])"
    return Scope(f"{mine} or t.id in {SQL.assigned_locationgroups}", write=mine)


def located(column: str, delete: str = "true") -> Scope:
    """Class B: rows at a location that is owned by or assigned to the groups; seen is writable."""
    return Scope(f"{column} in {_SEEN}", delete=delete)


def gathered(column: str, indexed: str) -> Scope:
    """Class B for many rows with an index over location and id.

    Where nothing else is asked for, the index gives the rows of all seen locations at once, or just
    their number. Where all of them have to be looked at, two sets joined by `or` make PostgreSQL
    note their places from the index first, and then read the table in the order in which it lies.
    Beside a filter by one of the `indexed` fields either would keep it from beginning with those.
    """
    through = f"{column} = any(array{_OWNED}) or {column} = any(array{_ASSIGNED})"
    alone, fields = f"{column} = any(array{_SEEN})", frozenset(indexed.split())
    return replace(located(column), alone=alone, through=through, indexed=fields)


def catalogue(column: str = "t.owner") -> Scope:
    """Class C: global rows and those of groups above and below; global ones are the admins'."""
    mine = f"{column} = any({{groups}}::int[])"
    return Scope(
        f"{column} is null or {mine} or {column} in {SQL.ancestors}",
        write=f"case when {column} is null then {{admin}}::bool else {mine} end",
    )


def personal(column: str) -> Scope:
    """Class D: the caller's own rows; admins also see those of users in groups below."""
    return Scope(
        f"{column} = {{caller}}::int or {column} in {SQL.inferior_users}",
        write=f"{column} = {{caller}}::int",
    )


def everyone() -> Scope:
    """Rows that belong to nobody and that nobody changes here."""
    return Scope("true", write="false", delete="false")
