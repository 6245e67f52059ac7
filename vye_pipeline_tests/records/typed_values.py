"""Values as people type and paste them: each kind of accident, at each place, in each field."""

from __future__ import annotations

from collections.abc import Iterator

# How a value reaches a form: phones, word processors, other alphabets, other systems.
ACCIDENTS = {
    "curly apostrophe": "\u2019", "opening quote": "\u2018", "double quotes": "\u201c\u201d",
    "okina": "\u02bb", "prime": "\u2032", "acute": "\u00b4", "grave": "`",
    "en dash": "\u2013", "em dash": "\u2014", "minus": "\u2212", "hyphen": "\u2010",
    "ellipsis": "\u2026", "soft hyphen": "\u00ad", "zero width space": "\u200b",
    "left to right": "\u202a\u202c", "byte order mark": "\ufeff", "no-break space": "\u00a0",
    "thin space": "\u2009", "ideographic space": "\u3000", "tab": "\t", "CR LF": "\r\n",
    "LF": "\n", "NEL": "\u0085", "line separator": "\u2028", "comma": ",",
    "fullwidth comma": "\uff0c", "superscript": "\u00b2", "fraction": "\u00bd",
    "circled": "\u2460", "ligature": "\ufb01", "fullwidth digit": "\uff11",
    "arabic digit": "\u0661", "composed accent": "\u00e9", "combining accents": "e\u0301\u0323",
    "hidden accent": "e\u200d\u0301", "lone mark": "\u0301", "keycap": "1\ufe0f\u20e3",
    "not equal": "\u2260", "kelvin": "\u212a", "stroke": "\u0142", "sharp s": "\u00df",
    "cyrillic": "\u0439", "hangul": "\uac00", "emoji": "\U0001f3e0", "nul": "\x00",
    "escape": "\x1b", "unit separator": "\x1f", "replacement": "\ufffd", "space": " ",
    "two spaces": "  ", "semicolon": ";",
}  # fmt: skip
PLAIN = {
    "full_name": "Pat OBrien", "address1": "12 Elm Street", "bank_name": "Peoples Bank",
    "phone": "5551234567", "email": "ab@example.com", "acct_no": "7700001",
    "routing_no": "021000021", "ssn": "900123456", "acct_type": "checking", "stub_nm": "AEX",
}  # fmt: skip
WHOLE = {
    "full_name": ["", " ", "Zo\u00eb", "Nu\u00f1o, A", "\u0141uk", "D\u2019Arcy \u201cD\u201d"],
    "phone": ["", "()", "none", "(555) 123-4567", "+1 555.123.4567", "555\u2013123\u20134567",
              "555-1234 ext. 5", "0000000000", "\u0665\u0665\u0665", "1", "5551234567 5559876543"],
    "email": ["", "a b@example.com", "a,b@example.com", "a@ex\u00e4mple.com", " a@example.com\t",
              "o'brien@example.com", "o\u2019brien@example.com", "a+b@example.com", "@", "`@x.org"],
    "acct_no": ["0", "0000000", "1" * 17, "1" * 18, "77\u00b2", "77 00", "-1", "1e5", "", "7 "],
    "routing_no": ["000000000", "021000022", "02100002\u00b9", "21000021", "0210000211", "",
                   " 021000021 ", "021 000 021", "\uff10\uff12\uff11000021"],
    "ssn": ["0", "000000000", "1", "12345678", "1234567890", "900-12-3456", "90012345\u00b2", ""],
    "acct_type": ["savings", "Checking", "C", " checking", "savings\u00a0", "", "checking,"],
    "source_ind": ["W", "P", " W", "w", "WP", "", "\uff37", "W\n", "P\u200b"],
    "stub_nm": ["AEXAMPL", "AEXAMPLE", "\u00c1EX", "A,EX", "A\u2026", "A\u2026BCDE", "", " A "],
    "rpo_code": ["316", "3160", " ", "\u0663"], "indicator": ["A", "AB", "\u00c5", ""],
    "state": ["", "CO", "C\u2019O"], "zip_code": ["", "81000\u20130123", "81000-0123"],
}  # fmt: skip


def typed_values() -> Iterator[tuple[str, str]]:
    """Yields column and value, each once."""
    yield from dict.fromkeys(_typed())


def _typed() -> Iterator[tuple[str, str]]:
    for column, plain in PLAIN.items():
        half = len(plain) // 2
        for accident in ACCIDENTS.values():
            yield column, plain[:half] + accident + plain[half:]
            if column != "stub_nm":
                yield column, plain + accident
    for column, values in WHOLE.items():
        for value in values:
            yield column, value
