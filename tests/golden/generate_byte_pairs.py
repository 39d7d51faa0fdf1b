"""Golden byte pairs: learned and applied by the definition, counting everything anew for each merge."""

import collections
import re

from golden_writer import Header

ABOUT = """
`golden_bpe_text` is the text, `golden_bpe_merges` the pairs of tokens that are merged, in
order (token b + 1 is byte b; merge i makes token 257 + i), `golden_bpe_tokens` the text's
tokens, and `golden_bpe_other_tokens` those of `golden_bpe_other`, which was not learned from.

A text is cut into pieces: a space, if any, and the letters, digits or signs behind it, or
white space up to such a space; at most 64 bytes. Among the pairs of neighbours within pieces
the most frequent one is merged from left to right; of equally frequent ones that of the
smallest numbers. It ends at 40 merges, or when no pair occurs twice.
"""

TEXT = (
    "The ferry leaves the harbour at seven, and again at eleven.\n"
    "  The later ferry carries letters; the earlier ferry carries bread, bread and more bread.\n"
    "In 1911 it sank; in 1912 there was another, and in 1913 a third one!\n\n"
    "\tNobody on the ferry - neither the sailors nor the passengers - remembers the first one.\n"
    "Le matin, la mer \u00e9tait calme; l'\u00e9t\u00e9, le th\u00e9 \u00e9tait servi \u00e0 l'arri\u00e8re.\n"
    "aaaa aaaaaaa aaaaaaaaaaa abababab  aaa\n"
    "--------------------------------------------------------------------------------\n"
) * 2
OTHER = "Another ferry, 1914:   th\u00e9 aaaaa ababa \u00e0\n zebra"
MERGES = 40
LONGEST = 64

PIECE = re.compile(
    rb" ?[A-Za-z\x80-\xff]+| ?[0-9]+| ?[!-/:-@\[-`{-~\x00-\x08\x0e-\x1f\x7f]+"
    rb"|[ \t-\r]+(?= [^ \t-\r])|[ \t-\r]+")


def pieces(text):
    at, found = 0, []
    while at < len(text):
        end = min(PIECE.match(text, at).end(), at + LONGEST)
        found.append(text[at:end])
        at = end
    return found


def merged(tokens, pair, token):
    made, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i:i + 2]) == pair:
            made.append(token)
            i += 2
        else:
            made.append(tokens[i])
            i += 1
    return made


def learn(text):
    words = [[byte + 1 for byte in piece] for piece in pieces(text)]
    merges = []
    while len(merges) < MERGES:
        counts = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        best = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]), default=None)
        if best is None or counts[best] < 2:
            break
        words = [merged(word, best, 257 + len(merges)) for word in words]
        merges.append(best)
    return merges, [token for word in words for token in word]


def encode(text, merges):
    tokens = []
    for piece in pieces(text):
        word = [byte + 1 for byte in piece]
        for i, pair in enumerate(merges):
            word = merged(word, pair, 257 + i)
        tokens += word
    return tokens


def main():
    header = Header("byte_pairs_golden.h", "Byte pairs (Sennrich, Haddow, Birch 2016).",
                    "this script's definition", ABOUT)
    text, other = TEXT.encode(), OTHER.encode()
    merges, tokens = learn(text)
    assert encode(text, merges) == tokens
    header.array("golden_bpe_text", list(text), ctype="unsigned char")
    header.array("golden_bpe_merges", merges, ctype="int")
    header.array("golden_bpe_tokens", tokens, ctype="int")
    header.array("golden_bpe_other", list(other), ctype="unsigned char")
    header.array("golden_bpe_other_tokens", encode(other, merges), ctype="int")
    header.write()


main()
