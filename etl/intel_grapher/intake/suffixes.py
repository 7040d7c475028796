"""Last labels of names: top-level domains, and file extensions that look like one."""

from __future__ import annotations

from functools import cache

from intel_grapher.keys.names import rules

# Names that resolve outside the public DNS, and those that RFC 2606, RFC 6761 and RFC 6762 reserve for documentation
# and local use. The first are used by malware (Namecoin, EmerDNS, OpenNIC, I2P, Tor).
SPECIAL = frozenset(
    {"onion", "bit", "i2p", "bazar", "lib", "emc", "coin", "eth", "exit", "loki"}
    | {"example", "test", "invalid", "localhost", "local", "internal", "lan", "home", "corp", "intranet"}
)

# Extensions of files that reports name. Those that are top-level domains as well are ambiguous.
EXTENSIONS = frozenset(
    """
    7z ace aspx asp apk app arj bak bas bat bin bz2 c cab cfg chm class cmd com conf config cpl cpp cs csv dat db
    deb dll dmg doc docm docx dot dotm drv dylib elf eml exe gif gz h hta htm html ico img inf ini iso jar java jpeg
    jpg js jse json jsp key lnk log m4a md mht mov mp3 mp4 msc msg msi mst ocx odt ods one pcap pdb pdf pem php
    phtml pif pl png pps ppt pptm pptx ps ps1 psd1 psm1 py pyc pyd rar rb reg rs rtf scr scf sct sh sln so sql
    sqlite svg swf sys tar tgz tif tiff tmp torrent ts txt url vb vba vbe vbs vhd vhdx wav wim wll wmf ws wsc wsf
    xhtml xla xlam xll xls xlsb xlsm xlsx xml xps xsl xz yar yara yaml yml z zip zst
    """.split()  # noqa: SIM905 - a hundred quoted words are harder to read
)
_AMBIGUOUS = EXTENSIONS - {"com"}  # a DOS program's extension, and far more often a name


@cache
def top_level() -> frozenset[str]:
    """Return the last labels that names may have: those of the Public Suffix List as packaged, and SPECIAL."""
    return frozenset(rule.rpartition(".")[2] for rule in rules()) | SPECIAL


def ambiguous(last_label: str) -> bool:
    """Tell whether a file extension is a top-level domain as well, such as zip, sh, py, rs and mov."""
    return last_label in _AMBIGUOUS and last_label in top_level()
