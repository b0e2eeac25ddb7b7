#!/usr/bin/env python3
"""Recomputes secagg/v1.json and sparse-v1.json from their secrets alone; exits 1 at a mismatch.

An independent witness: written from the protocol's description, shares no code with Flashlight, uses
PyPI `cryptography` for X25519, HKDF, ChaCha20, ChaCha20-Poly1305 and Ed25519, and its own GF(256).
Not part of the tests: run `python3 proto/vectors/check_secagg.py` after any change of a file.
"""

import hashlib
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MODULUS = 1 << 64
CHUNK_CELLS = 16383
GRAPH = ("neighbours", "threshold", "window")
checks = 0


def check(name, got, want):
    global checks
    checks += 1
    if got != want:
        sys.exit(f"check_secagg: {name}: computed {got!r}, the file says {want!r}")


def field(data):
    return struct.pack("<Q", len(data)) + data


def number(value):
    return field(struct.pack("<Q", value))


def items(values):
    return number(len(values)) + b"".join(field(value) for value in values)


def transcript(label, *parts):
    """SHA-256 over the label as a field and parts that are fields already."""
    return hashlib.sha256(field(label.encode()) + b"".join(parts)).digest()


def raw(key):
    return key.public_key().public_bytes_raw()


def agree(secret, public, ctx, purpose, first, second):
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(
        X25519PublicKey.from_public_bytes(public)
    )
    parts = (purpose, first, second)
    info = transcript("flashlight/secagg/v1/key", *(field(part.encode()) for part in parts))
    return HKDF(hashes.SHA256(), 32, salt=ctx, info=info).derive(shared)


def keystream(key, words):
    """`words` little-endian 64-bit numbers of ChaCha20, counter 0, nonce 0."""
    cipher = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    return struct.unpack(f"<{words}Q", cipher.update(bytes(8 * words)))


def with_controls(cells):
    """A 1 behind every 16,383 cells and behind the last."""
    words = []
    for start in range(0, len(cells), CHUNK_CELLS):
        words += cells[start : start + CHUNK_CELLS] + [1]
    return words


def times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


INVERSE = {a: b for a in range(1, 256) for b in range(1, 256) if times(a, b) == 1}


def interpolate(shares, x):
    value = bytearray(32)
    for share in shares:
        factor = 1
        for other in shares:
            if other[0] != share[0]:
                factor = times(factor, times(x ^ other[0], INVERSE[share[0] ^ other[0]]))
        for index in range(32):
            value[index] ^= times(factor, share[1 + index])
    return bytes(value)


def check_polynomial(name, shares, t, secret):
    """All shares lie on one polynomial of degree below t with this secret at 0."""
    check(f"{name}: secret", interpolate(shares[:t], 0).hex(), secret.hex())
    for share in shares[t:]:
        check(f"{name}: share {share[0]}", interpolate(shares[:t], share[0]).hex(), share[1:].hex())


def circle_of(ctx, names, randoms):
    """The cohort in the order of the graph's circle."""
    parts = [field(part) for name in names for part in (name.encode(), randoms[name])]
    everything = transcript("flashlight/secagg/v1/order", field(ctx), number(len(names)), *parts)
    return sorted(
        names,
        key=lambda name: transcript(
            "flashlight/secagg/v1/position", field(everything), field(name.encode())
        ),
    )


def check_file(title):
    path = pathlib.Path(__file__).parent / "secagg" / title
    file = json.loads(path.read_text())
    terms, people = file["terms"], file["districts"]
    names = [one["district"] for one in people]
    hexed = bytes.fromhex

    # The context.
    keys = [hexed(one["identity_key"]) for one in people]
    hash_fields = ["study", "layout", "schools", "privacy", "suppression", "roster", "log_checkpoint"]
    ctx = transcript(
        "flashlight/secagg/v1",
        field(terms["mode"].encode()),
        field(hexed(terms["round_id"])),
        number(terms["round_number"]),
        field(hexed(terms["nonce"])),
        field(terms["as_of"].encode()),
        items([hexed(one) for one in terms["parent_releases"]]),
        *(field(hexed(terms[name])) for name in hash_fields),
        items([name.encode() for name in names]),
        items(keys),
        items([struct.pack("<H", terms[size]) for size in "nmtc"]),
        number(terms["words"]),
        *([field(bytes(terms["graph"][part] for part in GRAPH))] if "graph" in terms else []),
    )
    check("ctx", ctx.hex(), file["ctx"])
    n, m, t, c = (terms[size] for size in "nmtc")
    check("t", (n + c) // 2 + 1, t)
    check("n", len(people), n)
    check("order", sorted(names, key=str.encode), names)

    # Who is whose neighbour, ascending, and the x of each holder's share of a dealer's secret.
    graph = terms.get("graph")
    holders = {name: names for name in names}
    threshold = t
    if graph:
        circle = circle_of(ctx, names, {one["district"]: hexed(one["r"]) for one in people})
        check("circle", circle, file["order"])
        threshold, reach = graph["threshold"], graph["neighbours"] // 2
        for at, name in enumerate(circle):
            steps = [step for step in range(-reach, reach + 1) if step]
            holders[name] = sorted(circle[(at + step) % n] for step in steps)
    place = {name: {one: x for x, one in enumerate(holders[name], 1)} for name in names}
    near = {name: [one for one in holders[name] if one != name] for name in names}

    # Step 0: advertisements.
    key_list = number(n)
    words = {}
    for at, one in enumerate(people, 1):
        name, ad = one["district"], one["advertisement"]
        check(f"{name}: x", one["x"], at)
        identity = Ed25519PrivateKey.from_private_bytes(hexed(one["identity_seed"]))
        check(f"{name}: identity key", raw(identity).hex(), one["identity_key"])
        for secret, public in (("seal_secret", "seal_key"), ("mask_secret", "mask_key")):
            private = X25519PrivateKey.from_private_bytes(hexed(one[secret]))
            check(f"{name}: {public}", raw(private).hex(), ad[public])
        commitment = transcript(
            "flashlight/b/v1", field(ctx), field(name.encode()), field(hexed(one["b"]))
        )
        check(f"{name}: H(b)", commitment.hex(), ad["seed_commitment"])
        fields = ["seal_key", "mask_key", "seed_commitment"]
        shown = b"".join(field(hexed(ad[part])) for part in fields)
        shown += number(ad["ledger_entries"]) + field(hexed(ad["ledger_head"]))
        if graph:
            parts = (field(ctx), field(name.encode()), field(hexed(one["r"])))
            check(f"{name}: H(r)", transcript("flashlight/r/v1", *parts).hex(), ad["order_commitment"])
            shown += field(hexed(ad["order_commitment"]))
        digest = transcript(
            "flashlight/secagg/v1/advertise",
            field(ctx),
            field(name.encode()),
            shown,
        )
        check(f"{name}: signature", identity.sign(digest).hex(), ad["signature"])
        key_list += field(name.encode()) + shown
        cells = [
            (at * 1000003 + p * 7919) % (1 << 21) - (1 << 20) for p in range(terms["words"])
        ]
        cells[0] = (1 << 54) if at % 2 else -(1 << 54)
        check(f"{name}: words", cells[:3], one["words"]["first"])
        packed = struct.pack(f"<{len(cells)}q", *cells)
        check(f"{name}: words", hashlib.sha256(packed).hexdigest(), one["words"]["sha256"])
        words[name] = cells
    of = {one["district"]: one for one in people}

    # Step 1: seals, and what is in them.
    shares = {name: ([], []) for name in names}
    for seal in file["seals"]:
        maker, holder = seal["from"], seal["to"]
        theirs = hexed(of[holder]["advertisement"]["seal_key"])
        key = agree(hexed(of[maker]["seal_secret"]), theirs, ctx, "share", maker, holder)
        check(f"{maker} to {holder}: key", key.hex(), seal["key"])
        back = agree(
            hexed(of[holder]["seal_secret"]),
            hexed(of[maker]["advertisement"]["seal_key"]),
            ctx,
            "share",
            maker,
            holder,
        )
        check(f"{maker} to {holder}: the holder's key", back.hex(), seal["key"])
        plain = hexed(seal["b_share"]) + hexed(seal["s_share"])
        aad = transcript(
            "flashlight/secagg/v1/seal", field(ctx), field(maker.encode()), field(holder.encode())
        )
        sealed = ChaCha20Poly1305(key).encrypt(bytes(12), plain, aad)
        check(f"{maker} to {holder}: seal", sealed.hex(), seal["sealed"])
        for kind, share in zip(shares[maker], (plain[:33], plain[33:])):
            check(f"{maker} to {holder}: x", share[0], place[maker][holder])
            kind.append(share)
    dealt = sorted((seal["from"], seal["to"]) for seal in file["seals"])
    check("seals", dealt, sorted((name, one) for name in names for one in near[name]))
    for name in names:
        check_polynomial(f"{name}: b", shares[name][0], threshold, hexed(of[name]["b"]))
        check_polynomial(f"{name}: s", shares[name][1], threshold, hexed(of[name]["mask_secret"]))

    # Step 2: masks.
    pairs = {}
    for pair in file["pairs"]:
        first, second = pair["first"], pair["second"]
        for one, other in ((first, second), (second, first)):
            theirs = hexed(of[other]["advertisement"]["mask_key"])
            key = agree(hexed(of[one]["mask_secret"]), theirs, ctx, "mask", first, second)
            check(f"{one} and {other}: mask key", key.hex(), pair["key"])
        pairs[first, second] = key
    check("pairs", len(pairs), sum(len(near[name]) for name in names) // 2)
    sharers, survivors = file["sharers"], file["survivors"]
    check("uploads", [one["district"] for one in file["uploads"]], survivors)
    total = None
    for upload in file["uploads"]:
        name = upload["district"]
        masked = with_controls(words[name])
        masks = [(1, hexed(of[name]["b"]))]
        for other in [one for one in sharers if one in near[name]]:
            if name < other:
                masks.append((1, pairs[name, other]))
            elif other < name:
                masks.append((-1, pairs[other, name]))
        for sign, key in masks:
            stream = keystream(key, len(masked))
            masked = [(word + sign * mask) % MODULUS for word, mask in zip(masked, stream)]
        packed = struct.pack(f"<{len(masked)}Q", *masked)
        size = 8 * (CHUNK_CELLS + 1)
        sizes = [len(packed[at : at + size]) for at in range(0, len(packed), size)]
        check(f"{name}: chunks", sizes, upload["chunk_bytes"])
        check(f"{name}: first", packed[:8].hex(), upload["first"])
        check(f"{name}: last", packed[-8:].hex(), upload["last"])
        check(f"{name}: upload", hashlib.sha256(packed).hexdigest(), upload["sha256"])
        total = masked if total is None else [(a + b) % MODULUS for a, b in zip(total, masked)]

    # Step 3: confirmations.
    digest = transcript(
        "flashlight/secagg/v1/confirm",
        field(ctx),
        field(transcript("flashlight/secagg/v1/keys", key_list)),
        items([name.encode() for name in sharers]),
        items([name.encode() for name in survivors]),
    )
    check("confirm digest", digest.hex(), file["confirm_digest"])
    for one in file["confirmations"]:
        identity = Ed25519PrivateKey.from_private_bytes(hexed(of[one["district"]]["identity_seed"]))
        check(f"{one['district']}: confirmation", identity.sign(digest).hex(), one["signature"])

    # Step 4: the coordinator's part, from nothing but shares, public keys and uploads.
    def recovered(kind, owner):
        given = [
            hexed(share["share"])
            for answer in file["unmasking"]
            for share in answer[kind]
            if share["of"] == owner
        ]
        return interpolate(given[:threshold], 0)

    for answer in file["unmasking"]:
        mine = [name for name in sharers if answer["from"] in place[name]]
        seeds = [name for name in mine if name in survivors]
        check(f"{answer['from']}: seeds", [one["of"] for one in answer["seeds"]], seeds)
        lost = [name for name in mine if name not in survivors]
        check(f"{answer['from']}: mask keys", [one["of"] for one in answer["mask_keys"]], lost)
        for kind, column in (("seeds", 0), ("mask_keys", 1)):
            for one in answer[kind]:
                if one["of"] != answer["from"]:
                    held = place[one["of"]][answer["from"]]
                    dealt = next(s for s in shares[one["of"]][column] if s[0] == held)
                    check(f"{answer['from']}: share of {one['of']}", one["share"], dealt.hex())
    for owner in survivors:
        stream = keystream(recovered("seeds", owner), len(total))
        total = [(word - mask) % MODULUS for word, mask in zip(total, stream)]
    for owner in [name for name in sharers if name not in survivors]:
        secret = recovered("mask_keys", owner)
        public = raw(X25519PrivateKey.from_private_bytes(secret)).hex()
        check(f"{owner}: recovered key", public, of[owner]["advertisement"]["mask_key"])
        for other in [one for one in survivors if one in near[owner]]:
            first, second = sorted((owner, other))
            theirs = hexed(of[other]["advertisement"]["mask_key"])
            stream = keystream(agree(secret, theirs, ctx, "mask", first, second), len(total))
            sign = -1 if other < owner else 1
            total = [(word + sign * mask) % MODULUS for word, mask in zip(total, stream)]
    cells = []
    for start in range(0, len(total), CHUNK_CELLS + 1):
        *chunk, control = total[start : start + CHUNK_CELLS + 1]
        check("control cell", control, len(survivors))
        cells += [word - MODULUS if word >> 63 else word for word in chunk]
    check("plain sum", cells, [sum(column) for column in zip(*(words[one] for one in survivors))])
    packed = struct.pack(f"<{len(cells)}q", *cells)
    check("sum", hashlib.sha256(packed).hexdigest(), file["sum"]["sha256"])
    check("sum", [cells[:3], cells[-1]], [file["sum"]["first"], file["sum"]["last"]])
    bad = len(file.get("bad", []))
    print(f"check_secagg: {title}: {checks} values so far agree, {bad} bad cases not looked at")


if __name__ == "__main__":
    check_file("v1.json")
    check_file("sparse-v1.json")
