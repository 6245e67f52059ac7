"""What the columns mean that analysts and the UI are shown, said once; it loads nothing."""

PARTITION = {
    "partition_date": "the business day of the cut-off",
    "kind": "verifications, direct_deposit_changes or address_changes",
}
RECORD = {
    "user_profile_id": "the user profile, as in VYE's database; null for an unexpected line",
    "record_id": "the record, as in VYE's table of the kind; null for an unexpected line",
    "line_number": "of its line in the file that was sent, from 1; null if it was not sent",
    "status": "as in docs/bdn-interface.md, part 3",
    "reason_code": "BDN's reason, or the rule that was broken",
    "reason": "why it has this status, in words",
    "fields": "the fields concerned, separated by commas",
    "next_step": "what to do about it",
}
WORKLIST = {
    "user_profile_id": "the user profile, as in VYE's database",
    "kinds": "of its records that need a person, each listed once",
    "statuses": "of these records, each listed once",
    "reasons": "why they need a person, each listed once",
    "fields": "the fields concerned, each listed once",
    "next_steps": "what to do about it, each listed once",
    "evidence": "what BDN's feed says of them, each listed once",
    "waited_business_days": "of the record that has waited longest",
    "is_moot": "whether newer submissions have made all of it moot",
    "is_reachable": "whether a telephone number or e-mail address is known; null while VYE's "
    "database can't be read",
}
