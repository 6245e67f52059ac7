"""A seeded generator of VYE's tables; data/sample/ is what `SEED` makes.

Everything is made up: SSNs are of areas never issued (000, 666, 900 to 999), banks and streets do
not exist, e-mail addresses and telephone numbers are reserved for examples. Among much that is
clean stand the oddities that real submissions have.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from vye_pipeline.business_days import FEDERAL_CALENDAR, cut_off
from vye_pipeline.settings import CHECKOUT
from vye_pipeline.vye_database.creation import NULL
from vye_pipeline.vye_database.tables import Base

SEED = 2025_04
SAMPLE_FOLDER = CHECKOUT / "data" / "sample"
SAMPLE_DAYS = tuple(FEDERAL_CALENDAR.business_days(date(2025, 4, 1), date(2025, 4, 14)))
PROFILES = 400
USER_INFOS_A_CLONE = 150
SHARE_VERIFYING, SHARE_CHANGING = 0.28, 0.09

FIRST_NAMES = (
    "Ada",
    "Ben",
    "Cora",
    "Dan",
    "Eve",
    "Finn",
    "Gus",
    "Ida",
    "José",
    "Kay",
    "Leo",
    "Zoë",
)
LAST_NAMES = (
    "Alder",
    "Birch",
    "Cedar",
    "Fir",
    "Hazel",
    "Juniper",
    "Linden",
    "Maple",
    "Núñez",
    "Oak",
)
STREETS = ("Alder Hollow Road", "Brook Lane", "Cinder Court", "Dover Heights", "Elm Crossing")
CITIES = (("Ashford", "CO", "81"), ("Brookdale", "OH", "43"), ("Lakeside", "AZ", "85"))
BANKS = ("Bank of Nowhere", "Demo Federal", "First Example Bank", "Sample Credit Union")
RPO_CODES, INDICATORS = (307, 316, 331, 351), "ABDE"

Row = dict[str, Any]


@dataclass
class Tables:
    """VYE's tables as rows, by name."""

    rows: dict[str, list[Row]] = field(
        default_factory=lambda: {table.name: [] for table in Base.metadata.sorted_tables}
    )

    def add(self, table: str, **row: Any) -> Row:
        """Appends a row; its id, where the table has one, is the next."""
        rows = self.rows[table]
        if "id" in Base.metadata.tables[table].columns:
            row = {"id": len(rows) + 1, **row}
        rows.append(row)
        return row


def generate(
    seed: int = SEED,
    days: Sequence[date] = SAMPLE_DAYS,
    profiles: int = PROFILES,
    user_infos_a_clone: int = USER_INFOS_A_CLONE,
) -> Tables:
    """Makes a database in which each of some partitions has submissions.

    Args:
        seed: the same one makes the same tables.
        days: the partitions, oldest first. Before the first cut-off the first clone is active; the
            others wait, one a day.
        profiles: how many veterans there are.
        user_infos_a_clone: how many of them BDN lists in a clone.
    """
    random, tables = Random(seed), Tables()
    people = [_person(random, tables, number, days[0]) for number in range(profiles)]
    for number, day in enumerate([*days, days[-1] + timedelta(days=1)]):
        clone = _clone(tables, day, is_active=number == 0)
        listed = sorted(random.sample(range(profiles), user_infos_a_clone))
        infos = [_user_info(random, tables, people[at], clone) for at in listed]
        if day in days:
            _submissions(random, tables, infos, day)
            _oddities(random, tables, infos, day)
    return tables


def write_folder(tables: Tables, folder: Path) -> None:
    """Writes one CSV a table, in the format of `vye database import`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.rows.items():
        columns = [column.name for column in Base.metadata.tables[name].columns]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return str(value)


def _stamps(moment: datetime) -> Row:
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return {"created_at": naive, "updated_at": naive}


@dataclass(frozen=True)
class Person:
    """A veteran, as far as the tables of changes need to know."""

    profile: Row
    name: str
    stub_nm: str
    file_number: str


def _person(random: Random, tables: Tables, number: int, first_day: date) -> Person:
    icn = f"10{number * 7919 % 10**8:08}V{number:06}"
    profile = tables.add(
        "vye_user_profiles",
        icn=icn,
        **_stamps(FEDERAL_CALENDAR.previous_cut_off(first_day) - timedelta(days=30)),
    )
    area = random.choice(["000", "666", *map(str, range(900, 1000))])
    if number % 97 != 96:  # of some the identity service knows nothing
        tables.add("mpi_identities", icn=icn, ssn=f"{area}{number * 2741 % 10**6:06}")
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    ascii_last = last.upper().replace("Ú", "U").replace("Ñ", "N")
    stub_nm = f"{first[0]}{random.choice('ABCDEFGH ')}{ascii_last}"[:7]
    return Person(profile, f"{first} {last}", stub_nm, f"{7 * 10**8 + number * 104_729:09}")


def _clone(tables: Tables, day: date, *, is_active: bool) -> Row:
    """Adds the clone that is active until a day's cut-off, imported the morning before."""
    imported_at = FEDERAL_CALENDAR.previous_cut_off(day) - timedelta(hours=1)
    return tables.add(
        "vye_bdn_clones",
        is_active=is_active,
        export_ready=None,
        transact_date=imported_at.date(),
        **_stamps(imported_at),
    )


@dataclass(frozen=True)
class Listed:
    """A person's row in a clone."""

    person: Person
    info: Row


def _user_info(random: Random, tables: Tables, person: Person, clone: Row) -> Listed:
    info = tables.add(
        "vye_user_infos",
        user_profile_id=person.profile["id"],
        bdn_clone_id=clone["id"],
        bdn_clone_line=len(tables.rows["vye_user_infos"]) + 1,
        bdn_clone_active=clone["is_active"] or None,
        file_number=person.file_number if random.random() > 0.05 else None,
        suffix="",
        dob="1990-01-01",
        stub_nm=person.stub_nm,
        mr_status=random.choice("AE"),
        rem_ent=f"{random.randrange(4_000_000):07}",
        rpo_code=random.choice(RPO_CODES),
        fac_code=f"{random.randrange(10**8):08}",
        payment_amt=f"{random.randrange(50_000, 250_000) / 100:.2f}",
        indicator=random.choice(INDICATORS),
        cert_issue_date="2025-01-02",
        del_date="2031-01-02",
        date_last_certified="2025-02-28",
        created_at=clone["created_at"],
        updated_at=clone["created_at"],
    )
    return Listed(person, info)


def _submissions(random: Random, tables: Tables, infos: Sequence[Listed], day: date) -> None:
    """Adds what clean submitters did between the previous cut-off and a day's."""
    for listed in infos:
        if random.random() < SHARE_VERIFYING:
            for moment in _moments(random, day):
                verification(random, tables, listed, moment)
        if random.random() < SHARE_CHANGING:
            for moment in _moments(random, day):
                direct_deposit_change(random, tables, listed, moment)
        if random.random() < SHARE_CHANGING:
            for moment in _moments(random, day):
                address_change(random, tables, listed, moment)
        if random.random() < SHARE_CHANGING:
            copied_at = next(_moments(random, day))
            address_change(
                random, tables, listed, copied_at, origin=random.choice(["cached", "backend"])
            )


def _moments(random: Random, day: date) -> Iterator[datetime]:
    """Yields when somebody submits: mostly once, sometimes again and later the same day."""
    opened = FEDERAL_CALENDAR.previous_cut_off(day)
    seconds = int((cut_off(day) - opened).total_seconds())
    moment = opened + timedelta(
        seconds=random.randrange(60, seconds // 2), microseconds=random.randrange(10**6)
    )
    yield moment
    while random.random() < 0.15:
        moment += timedelta(seconds=random.randrange(30, 3600))
        yield moment


def verification(
    random: Random, tables: Tables, listed: Listed, moment: datetime, **changed: Any
) -> None:
    """Adds a verification; `changed` overrides columns."""
    tables.add(
        "vye_verifications",
        **{
            "user_profile_id": listed.person.profile["id"],
            "user_info_id": listed.info["id"],
            "act_begin": datetime(2025, 3, 1),  # noqa: DTZ001 - VYE's timestamps have no zone
            "act_end": datetime(2025, 3, 31),  # noqa: DTZ001
            "transact_date": moment.date(),
            "source_ind": random.choice("WWWP"),
            "monthly_rate": f"{random.randrange(20_000, 250_000) / 100:.2f}",
            "number_hours": random.randrange(9, 17),
            **_stamps(moment),
            **changed,
        },
    )


def direct_deposit_change(
    random: Random, tables: Tables, listed: Listed, moment: datetime, **changed: Any
) -> None:
    """Adds a direct deposit change; `changed` overrides columns."""
    number = len(tables.rows["vye_direct_deposit_changes"]) + 1
    tables.add(
        "vye_direct_deposit_changes",
        **{
            "user_info_id": listed.info["id"],
            "rpo": None,
            "ben_type": None,
            "full_name": listed.person.name,
            "phone": _phone(random),
            "phone2": random.choice([None, ""]),
            "email": f"veteran{number:05}@example.com",
            "acct_no": f"{77_000_000_000 + number * 10_007}",
            "acct_type": random.choice(["checking", "savings"]),
            "routing_no": routing_number(random),
            "bank_name": random.choice(BANKS),
            "bank_phone": _phone(random),
            **_stamps(moment),
            **changed,
        },
    )


def address_change(
    random: Random, tables: Tables, listed: Listed, moment: datetime, **changed: Any
) -> None:
    """Adds an address change; `changed` overrides columns."""
    number = len(tables.rows["vye_address_changes"]) + 1
    city, state, zip_start = random.choice(CITIES)
    tables.add(
        "vye_address_changes",
        **{
            "user_info_id": listed.info["id"],
            "rpo": None,
            "benefit_type": None,
            "veteran_name": listed.person.name,
            "address1": f"{1000 + number} {random.choice(STREETS)}",
            "address2": random.choice([None, "", f"Apt {random.randrange(1, 60)}"]),
            "city": city,
            "state": state,
            "zip_code": f"{zip_start}{random.randrange(1000):03}",
            "origin": "frontend",
            **_stamps(moment),
            **changed,
        },
    )


def routing_number(random: Random) -> str:
    """Makes a routing number with a valid check digit, in a range that no bank has."""
    body = f"99{random.randrange(10**6):06}"
    weighted = sum(
        int(digit) * weight for digit, weight in zip(body, (3, 7, 1, 3, 7, 1, 3, 7), strict=True)
    )
    return f"{body}{-weighted % 10}"


def _phone(random: Random) -> str:
    area, line = random.randrange(200, 999), random.randrange(100, 200)
    return random.choice([f"{area}-555-0{line}", f"({area}) 555-0{line}", f"{area}5550{line}"])


def _oddities(random: Random, tables: Tables, infos: Sequence[Listed], day: date) -> None:
    """Adds a day's share of what isn't clean: some of it can be sent normalised, some must not."""
    at = iter(random.sample(list(infos), 12))
    moment = cut_off(day) - timedelta(hours=9)
    address_change(random, tables, next(at), moment, address2="Bldg 3, Room 12")
    address_change(random, tables, next(at), moment, address2="c/o Office\r\nSecond floor\t7")
    address_change(
        random,
        tables,
        next(at),
        moment,
        address1=f"{day:%d}88 Old Post Road at the Northern Crossing",
    )
    direct_deposit_change(random, tables, next(at), moment, full_name="Renée Étoile")
    long_ago = moment - timedelta(weeks=5)  # VYE cuts the reference after two weeks
    verification(random, tables, next(at), long_ago, user_info_id=None)
    bad: tuple[tuple[Any, Row], ...] = (
        (direct_deposit_change, {"routing_no": "991234567"}),
        (address_change, {"city": "Großstadt"}),
        (direct_deposit_change, {"acct_no": "12-34 X", "bank_name": ""}),
        (address_change, {"address1": None}),
        (verification, {"source_ind": "M"}),
    )
    add, changed = bad[day.toordinal() % len(bad)]
    add(random, tables, next(at), moment, **changed)
    if day.day % 4 == 0:
        listed = next(at)
        listed.info["stub_nm"] = listed.person.stub_nm.ljust(7, "X") + "LONG"
        verification(random, tables, listed, moment)


if __name__ == "__main__":
    write_folder(generate(), Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE_FOLDER)
