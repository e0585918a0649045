"""What one person's computer does: mail programs, an infected machine, a browser.

Run as a script inside a namespace; reads ``{"start", "deadline", "steps"}`` as JSON from standard
input, does each step at its second after ``start``, and prints what happened (for people, never for
the truth). Failures are part of the cast: they are printed and the next step follows.
"""

from __future__ import annotations

import concurrent.futures
import email.utils
import json
import poplib
import smtplib
import socket
import ssl
import sys
import time
import urllib.request
from email.message import EmailMessage
from typing import Any

Step = dict[str, Any]


def say(text: str) -> None:
    """Prints one line with the time."""
    sys.stdout.write(f"{time.time():.3f} {text}\n")
    sys.stdout.flush()


def address_of(step: Step) -> str:
    """The address to connect to; a step may ask for one family."""
    family = {4: socket.AF_INET, 6: socket.AF_INET6}.get(step.get("family", 0), socket.AF_UNSPEC)
    found = socket.getaddrinfo(step["host"], None, family, socket.SOCK_STREAM)
    return str(found[0][4][0])


def compose(step: Step) -> EmailMessage:
    """The message of a step."""
    message = EmailMessage()
    message["From"] = step["sender"]
    message["To"] = ", ".join(step["recipients"])
    message["Subject"] = step.get("subject", "hello")
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = email.utils.make_msgid(domain=step["helo"] + ".example")
    line = "Thank you for your message, see you on Sunday.\n"
    message.set_content(line * max(1, step.get("size", 500) // len(line)))
    return message


def smtp(step: Step) -> None:
    """Sends one message."""
    source = (step["source"], 0) if step.get("source") else None
    client = smtplib.SMTP(timeout=step.get("timeout", 12), local_hostname=step["helo"], source_address=source)
    try:
        client.connect(address_of(step), step["port"])
        client.ehlo()
        if step.get("mechanism") == "CRAM-MD5":
            # A mail program set to "secure password" asks for it whatever the server announces.
            client.user, client.password = step["user"], step["password"]
            client.auth("CRAM-MD5", client.auth_cram_md5)
        elif step.get("user"):
            client.user, client.password = step["user"], step["password"]
            mechanism = step.get("mechanism", "PLAIN")
            method = client.auth_login if mechanism == "LOGIN" else client.auth_plain
            client.auth(mechanism, method)
        client.send_message(compose(step), step["sender"], step["recipients"])
    finally:
        try:
            client.quit()
        except (smtplib.SMTPException, OSError):
            client.close()


def pop3(step: Step) -> None:
    """Reads a mailbox, keeping the messages there."""
    box = poplib.POP3(address_of(step), 110, timeout=step.get("timeout", 12))
    try:
        box.user(step["user"])
        box.pass_(step["password"])
        count = len(box.list()[1])
        for number in range(max(1, count - 1), count + 1):
            box.retr(number)
        say(f"{count} messages in the mailbox")
    finally:
        box.quit()


def https(step: Step) -> None:
    """Reads a page in a browser, and writes mail where the page is a mailbox."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"https://{step['host']}{step['path']}"
    written = [b"to=friend&text=" + b"x" * 900] if step["path"] == "/inbox" else []
    for body in (None, *written):
        with urllib.request.urlopen(url, body, timeout=12, context=context) as page:
            page.read()


def probe(step: Step) -> None:
    """Connects and goes away, as a scanner does."""
    source = (step["source"], 0) if step.get("source") else None
    with socket.create_connection((address_of(step), step["port"]), 5, source) as connection:
        connection.recv(200)


def spray(step: Step) -> None:
    """Throws one message at each of many mail servers, several at a time, and never waits long."""

    def one(number: int, target: str) -> str:
        time.sleep(max(0.0, began + number * step["gap"] - time.time()))
        single = {**step, "host": target, "port": 25, "timeout": step["timeout"]}
        try:
            smtp(single)
        except (OSError, smtplib.SMTPException) as error:
            return f"{target} {type(error).__name__}"
        return f"{target} sent"

    began = time.time()
    with concurrent.futures.ThreadPoolExecutor(step["parallel"]) as pool:
        for line in pool.map(one, range(len(step["targets"])), step["targets"]):
            say(line)


ACTIONS = {"smtp": smtp, "pop3": pop3, "https": https, "probe": probe, "spray": spray}


def main() -> None:
    """Plays the script."""
    script = json.load(sys.stdin)
    for step in script["steps"]:
        time.sleep(max(0.0, script["start"] + step["at"] - time.time()))
        if time.time() > script["deadline"]:
            say("out of time")
            break
        what = f"{step['do']} {step.get('host', '')}:{step.get('port', '')}"
        try:
            ACTIONS[step["do"]](step)
        except (OSError, smtplib.SMTPException, poplib.error_proto) as error:
            say(f"{what} failed: {type(error).__name__}: {error}")
        else:
            say(f"{what} done")


if __name__ == "__main__":
    main()
