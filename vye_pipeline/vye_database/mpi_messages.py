"""What MPI is asked and what its answer means: HL7 v3 in SOAP 1.1. Pure.

PRPA_IN201305UV02 finds a candidate by one ICN; PRPA_IN201306UV02 is its answer. The parser takes no
document type, so that no entity can be declared, nor expanded.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from vye_pipeline.vye_database.identities import (
    DECEASED,
    IDENTITY_THEFT,
    UNKNOWN,
    Identity,
)

ACTION = "PRPA_IN201305UV02"
ANSWER = "PRPA_IN201306UV02"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
IDM = "http://vaww.oed.oit.va.gov"
HL7 = "urn:hl7-org:v3"
NAMESPACES = {"soap": SOAP, "idm": IDM, "hl7": HL7}
VA_ROOT = "2.16.840.1.113883.4.349"
SSN_ROOT = "2.16.840.1.113883.4.1"
HL7_INTERACTIONS = "2.16.840.1.113883.1.6"
ICN = re.compile(r"\d{10}V\d{6}")
ACCEPTED, IN_ERROR = "AA", "AE"
FOUND, NOT_FOUND = "OK", "NF"
MULTIPLE_MATCHES = "Multiple Matches Found"
# What MPI has been recorded to say of an ICN that it doesn't know. A request that it never accepts
# would make everybody unknown, which is a fault of the source (VYE_MAX_QUARANTINED_SHARE).
NO_SUCH_ICN = frozenset(
    {"Correlation Does Not Exist", "MVI[S]:INVALID REQUEST", "Invalid VPID format"}
)
THEFT_FLAG = "ID_THEFT^TRUE"
PATIENT = "hl7:controlActProcess/hl7:subject/hl7:registrationEvent/hl7:subject1/hl7:patient"
PRIOR_IDS = (
    "hl7:controlActProcess/hl7:subject/hl7:registrationEvent/hl7:replacementOf"
    "/hl7:priorRegistration//hl7:id"
)


class NoAnswerError(Exception):
    """An answer that doesn't say who somebody is, nor that nobody knows; says why, no value."""


def request(icn: str, processing_code: str, now: datetime) -> bytes:
    """Returns the question for one ICN.

    Args:
        icn: whose SSN.
        processing_code: P in production, T elsewhere.
        now: with zone.
    """
    envelope = Element(f"{{{SOAP}}}Envelope")
    SubElement(envelope, f"{{{SOAP}}}Header")
    body = SubElement(envelope, f"{{{SOAP}}}Body")
    message = SubElement(body, f"{{{IDM}}}{ACTION}", ITSVersion="XML_1.0")
    _add(message, "id", root="1.2.840.114350.1.13.0.1.7.1.1", extension=f"200VGOV-{uuid.uuid4()}")
    _add(message, "creationTime", value=now.astimezone(UTC).strftime("%Y%m%d%H%M%S"))
    _add(message, "versionCode", code="4.1")
    _add(message, "interactionId", root=HL7_INTERACTIONS, extension=ACTION)
    _add(message, "processingCode", code=processing_code)
    _add(message, "processingModeCode", code="T")
    _add(message, "acceptAckCode", code="AL")
    _device(_add(message, "receiver", typeCode="RCV"), "1.2.840.114350.1.13.999.234", "200M")
    _device(_add(message, "sender", typeCode="SND"), VA_ROOT, "200VGOV")
    act = _add(message, "controlActProcess", classCode="CACT", moodCode="EVN")
    _add(act, "code", code="PRPA_TE201305UV02", codeSystem=HL7_INTERACTIONS)
    query = _add(act, "queryByParameter")
    _add(query, "queryId", root="1.2.840.114350.1.13.28.1.18.5.999", extension="18204")
    _add(query, "statusCode", code="new")
    _add(query, "modifyCode", code="MVI.COMP1.RMS")
    _add(query, "responseElementGroupId", extension="PV", root=VA_ROOT)
    _add(query, "initialQuantity", value="1")
    _add(_add(query, "parameterList"), "id", root=VA_ROOT, extension=icn)
    return tostring(envelope, encoding="utf-8", xml_declaration=True)


def identity(icn: str, content: bytes) -> Identity:
    """Returns what an answer says of the ICN that was asked for.

    Raises:
        NoAnswerError: it is no such answer, or says that MPI couldn't look.
    """
    answer = _answer(content)
    code = _code(answer, "hl7:acknowledgement/hl7:typeCode")
    texts = {
        (text.text or "").strip()
        for text in answer.iterfind(
            "hl7:acknowledgement/hl7:acknowledgementDetail/hl7:text", NAMESPACES
        )
    }
    if code == IN_ERROR and MULTIPLE_MATCHES in texts:
        return Identity(is_ambiguous=True)
    if code == IN_ERROR and texts & NO_SUCH_ICN:
        return UNKNOWN
    if code != ACCEPTED:
        raise NoAnswerError(f"it acknowledges with {code if code in ('AE', 'AR') else 'no code'}")
    response = _code(answer, "hl7:controlActProcess/hl7:queryAck/hl7:queryResponseCode")
    patients = answer.findall(PATIENT, NAMESPACES)
    if response == NOT_FOUND and not patients:
        return UNKNOWN
    if response != FOUND or not patients:
        raise NoAnswerError("it neither finds somebody nor says that there is nobody")
    if len(patients) > 1:
        return Identity(is_ambiguous=True)
    return _of_patient(icn, patients[0], answer)


def _answer(content: bytes) -> Element:
    try:
        envelope = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise NoAnswerError("it declares a document type, which is refused") from None
    except (ParseError, ValueError, LookupError):
        raise NoAnswerError("it is no well-formed XML") from None
    answer = envelope.find(f"soap:Body/idm:{ANSWER}", NAMESPACES)
    if envelope.tag != f"{{{SOAP}}}Envelope" or answer is None:
        raise NoAnswerError(f"it is no {ANSWER}")
    return answer


def _of_patient(icn: str, patient: Element, answer: Element) -> Identity:
    """Returns the SSN of a patient who is or was the one asked for; of another one ambiguous."""
    own = patient.findall("hl7:id", NAMESPACES)
    prior = answer.findall(PRIOR_IDS, NAMESPACES)
    icns = {(one.get("extension") or "").split("^")[0] for one in (*own, *prior)}
    ssns = {
        one.get("extension") or ""
        for one in patient.iterfind("hl7:patientPerson/hl7:asOtherIDs/hl7:id", NAMESPACES)
        if one.get("root") == SSN_ROOT
    }
    if icn not in icns or len(ssns) > 1:
        return Identity(is_ambiguous=True)
    notes = []
    if patient.find("hl7:patientPerson/hl7:deceasedTime", NAMESPACES) is not None:
        notes.append(DECEASED)
    if _code(patient, "hl7:confidentialityCode") == THEFT_FLAG:
        notes.append(IDENTITY_THEFT)
    return Identity(ssns.pop() if ssns else "", notes=tuple(notes))


def _code(element: Element, path: str) -> str | None:
    found = element.find(path, NAMESPACES)
    return None if found is None else found.get("code")


def _add(parent: Element, name: str, **attributes: str) -> Element:
    return SubElement(parent, f"{{{HL7}}}{name}", attributes)


def _device(parent: Element, root: str, extension: str) -> None:
    device = _add(parent, "device", classCode="DEV", determinerCode="INSTANCE")
    _add(device, "id", root=root, extension=extension)
