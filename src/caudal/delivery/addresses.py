"""Where webhooks may go: to https and the public internet; in development also to this machine.

A name is resolved once for each connection, every address that it has is checked, and the connection goes to
the address that was checked: an answer of the DNS that changes in between changes nothing.
"""

import asyncio
import concurrent.futures
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from caudal.delivery.errors import EndpointAddressRefused, EndpointUrlRefused
from caudal.delivery.types import MAX_URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to addresses; raises `OSError`."""

_SPECIAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # shared by a carrier's customers (RFC 6598)
        "168.63.129.16/32",  # a cloud's own services, on a public address
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "::/96",  # IPv4-compatible: deprecated
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291, 2.5.5.2)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64: an IPv4 address inside (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 of a network's own (RFC 8215)
        "100::/64",  # discard (RFC 6666)
        "2001::/23",  # protocol assignments, Teredo among them (RFC 2928, RFC 4380)
        "2002::/16",  # 6to4: an IPv4 address inside (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing (RFC 9602)
        "fc00::/7",  # unique local (RFC 4193)
        "fec0::/10",  # site-local: deprecated (RFC 3879)
    )
)
"""What Python's `is_global` lets pass in some version or other, and what hides another address."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A URL that webhooks may be sent to, taken apart."""

    url: str
    host: str
    port: int
    secure: bool
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """What stands in the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


class Policy(msgspec.Struct, frozen=True):
    """What is let through."""

    development: bool
    """Plain http and addresses of this machine too."""

    def target(self, url: str) -> Target:
        """The parts of `url`. Raises `EndpointUrlRefused`, and `EndpointAddressRefused` for a literal one."""
        target = _parts(url)
        if not target.secure and not self.development:
            raise EndpointUrlRefused("outside development a URL begins with https://", field="url")
        try:
            address = ipaddress.ip_address(target.host)
        except ValueError:
            return target
        self.require([address])
        return target

    def require(self, addresses: Sequence[Address]) -> None:
        """Refuse unless every one of `addresses` may be connected to. Raises `EndpointAddressRefused`."""
        for address in addresses:
            if not (is_public(address) or (self.development and address.is_loopback)):
                raise EndpointAddressRefused("an address that is not of the public internet", field="url")


def is_public(address: Address) -> bool:
    """Whether it is of the public internet, and no other address hides in it."""
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def checked(target: Target, policy: Policy, resolve: Resolve) -> list[str]:
    """The addresses of `target`, all of which may be connected to.

    Raises `OSError` where there is none, and `EndpointAddressRefused` if only one of them is not public.
    """
    try:
        found: list[Address] = [ipaddress.ip_address(target.host)]
    except ValueError:
        # An address with a zone (fe80::1%eth0) is of this link in any case.
        texts = await resolve(target.host, target.port)
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
    if not found:
        raise OSError("the name has no address") from None
    policy.require(found)
    return [str(address) for address in dict.fromkeys(found)]


_RESOLVERS: Final = concurrent.futures.ThreadPoolExecutor(32, thread_name_prefix="resolver")
"""Of our own: names whose servers do not answer must not use up the loop's threads."""


async def system_resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says. Raises `OSError`."""
    try:
        found = await asyncio.get_running_loop().run_in_executor(
            _RESOLVERS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except UnicodeError:
        raise OSError("this is no name") from None
    return [str(address[0]) for *_, address in found]


def _parts(url: str) -> Target:
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url or len(url) > MAX_URL:
        raise EndpointUrlRefused(
            f"a URL has at most {MAX_URL} printable ASCII characters without spaces", field="url"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise EndpointUrlRefused("this is no URL", field="url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise EndpointUrlRefused("a URL begins with https:// and a host", field="url")
    if "@" in parts.netloc or "#" in url:
        raise EndpointUrlRefused("a URL here has no user and no fragment", field="url")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname.rstrip(".")
    return Target(url=url, host=host, port=port or (443 if secure else 80), secure=secure, path=path)
