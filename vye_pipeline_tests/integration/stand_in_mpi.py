"""A stand-in for MPI: SOAP over TLS, for callers with a client certificate, with faults.

Its answers have the form of those recorded of the real one.
"""

from __future__ import annotations

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from defusedxml.ElementTree import fromstring

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
IDM = "{http://vaww.oed.oit.va.gov}"
HL7 = "{urn:hl7-org:v3}"
ASKED = f"{SOAP}Body/{IDM}PRPA_IN201305UV02/{HL7}controlActProcess/{HL7}queryByParameter"

Answer = bytes | int | None


@dataclass(frozen=True)
class Certificates:
    """Files of a certificate authority, a server and a client that it vouches for."""

    authority: Path
    server: Path
    client: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """Makes them; the key of each lies in its file."""
        folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        root = _certificate("authority", key, None)
        made = cls(folder / "authority.pem", folder / "server.pem", folder / "client.pem")
        made.authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        for path in (made.server, made.client):
            own = ec.generate_private_key(ec.SECP256R1())
            issued = _certificate(path.stem, own, (root, key))
            path.write_bytes(
                own.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                + issued.public_bytes(serialization.Encoding.PEM)
            )
        return made


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                (issuer[1] if issuer else key).public_key()
            ),
            critical=False,
        )
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )


@dataclass
class StandInMpi:
    """Whom it knows, and how it behaves.

    Attributes:
        certificates: its own, and whom it lets in.
        people: SSN by ICN.
        fault: called with the ICN and how often it was asked for, before it answers; returns
            what to send instead: bytes, a status, or None for nothing unusual.
        asked: each ICN, in the order in which they came.
    """

    certificates: Certificates
    people: Mapping[str, str]
    fault: Callable[[str, int], Answer] = lambda _icn, _times: None
    asked: list[str] = field(default_factory=list)
    url: str = ""
    _lock: Lock = field(default_factory=Lock)

    def answer(self, content: bytes) -> bytes | int:
        """Answers a request: a message, or a status."""
        query = fromstring(content).find(ASKED)
        if query is None:
            return 400
        identifier = query.find(f"{HL7}parameterList/{HL7}id")
        icn = "" if identifier is None else str(identifier.get("extension"))
        with self._lock:
            self.asked.append(icn)
            times = self.asked.count(icn)
        unusual = self.fault(icn, times)
        if unusual is not None:
            return unusual
        return found(icn, self.people[icn]) if icn in self.people else not_found(icn)

    @contextmanager
    def serving(self) -> Iterator[StandInMpi]:
        """Serves on a port of this machine."""
        server = _Server(("127.0.0.1", 0), _Handler)
        server.mpi = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates.server)
        context.load_verify_locations(self.certificates.authority)
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{server.server_port}/psim_webservice/IdMWebService"
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


CUT = b"cut"
NOBODY = "MVI[S]:INVALID REQUEST"


def found(
    icn: str,
    ssn: str,
    *,
    also: str = "",
    extra: str = "",
    confidentiality: str = "",
    prior: str = "",
) -> bytes:
    """Returns the answer that is a person.

    Args:
        icn: the person's.
        ssn: the person's.
        also: another SSN.
        extra: elements of patientPerson.
        confidentiality: the patient's code.
        prior: an ICN that this one replaces.
    """
    ssns = "".join(
        f'<asOtherIDs classCode="SSN"><id extension="{one}" root="2.16.840.1.113883.4.1"/>'
        '<scopingOrganization determinerCode="INSTANCE" classCode="ORG">'
        '<id root="1.2.840.114350.1.13.99997.2.3412"/></scopingOrganization></asOtherIDs>'
        for one in (ssn, also)
        if one
    )
    replaced = (
        '<replacementOf typeCode="RPLC"><priorRegistration classCode="REG" moodCode="EVN">'
        f'<id extension="{prior}^NI^200M^USVHA^PCE" root="2.16.840.1.113883.4.349"/>'
        "</priorRegistration></replacementOf>"
        if prior
        else ""
    )
    code = f'<confidentialityCode code="{confidentiality}"/>' if confidentiality else ""
    return _message(
        "AA",
        ("Identity Match Threshold", "Potential Duplicate Threshold"),
        "OK",
        '<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN">'
        '<id nullFlavor="NA"/><statusCode code="active"/><subject1 typeCode="SBJ">'
        f'<patient classCode="PAT"><id extension="{icn}^NI^200M^USVHA^P" '
        'root="2.16.840.1.113883.4.349"/><id extension="32383600^PI^200CORP^USVBA^L" '
        'root="2.16.840.1.113883.4.349"/><statusCode code="active"/>'
        f"{code}<patientPerson><name use='L'><given>A</given><family>B</family></name>"
        f'<birthTime value="19490304"/>{ssns}{extra}</patientPerson></patient></subject1>'
        f"{replaced}</registrationEvent></subject>",
    )


def not_found(_icn: str) -> bytes:
    """Returns the answer of somebody whom MPI has no subject for."""
    return _message("AA", ("Identity Match Threshold",), "NF", "")


def acknowledged(code: str, text: str) -> bytes:
    """Returns an answer that is an acknowledgement of an error."""
    return _message(code, (text, text), "AE", "")


def _message(code: str, texts: tuple[str, ...], response: str, subject: str) -> bytes:
    details = "".join(
        f"<acknowledgementDetail><text>{text}</text></acknowledgementDetail>" for text in texts
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<env:Envelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header/><env:Body>'
        '<idm:PRPA_IN201306UV02 ITSVersion="XML_1.0" xmlns:idm="http://vaww.oed.oit.va.gov" '
        'xmlns="urn:hl7-org:v3"><id extension="WSDOC19" root="2.16.840.1.113883.4.349"/>'
        f'<acknowledgement><typeCode code="{code}"/>{details}</acknowledgement>'
        f'<controlActProcess classCode="CACT" moodCode="EVN">{subject}<queryAck>'
        f'<queryResponseCode code="{response}"/><resultCurrentQuantity value="1"/></queryAck>'
        "</controlActProcess></idm:PRPA_IN201306UV02></env:Body></env:Envelope>"
    ).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    mpi: StandInMpi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that are not let in."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("SOAPAction") != "PRPA_IN201305UV02":
            return self._send(415, b"")
        answer = self.server.mpi.answer(content)
        if answer == CUT:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"<env:Envelope>")
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        if isinstance(answer, int):
            return self._send(answer, b"")
        return self._send(200, answer)

    def _send(self, status: int, content: bytes) -> None:
        is_packed = "gzip" in self.headers.get("Accept-Encoding", "") and len(content) > 0
        content = gzip.compress(content) if is_packed else content
        self.send_response(status)
        if is_packed:
            self.send_header("Content-Encoding", "gzip")
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
