"""Serves S3's protocol from memory until its input ends; prints where."""

from __future__ import annotations

import sys

import boto3
from moto.server import ThreadedMotoServer


def serve(bucket: str) -> None:
    """Serves with one empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=bucket)
    sys.stdout.write(f"{endpoint}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    serve(sys.argv[1])
