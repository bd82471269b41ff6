"""The licences of the crates in the program, for an archive of it: cargo metadata ... | python3 scripts/licences.py

First a line for each crate, then each text once, after the names of its crates. Of crates under several licences, at one's option, the
MIT text is taken if there is one. Crates that only build or test the program are left out.
"""

import collections
import json
import pathlib
import re
import sys

WORDS = ("licen", "copying", "copyright", "notice", "unlicense")


def shipped(metadata):
    """The packages that are linked into vgg-wgpu, without itself and its workspace."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    unlinked = {package["id"] for package in metadata["packages"] if any("proc-macro" in target["kind"] for target in package["targets"])}
    own = set(metadata["workspace_members"])
    found, left = set(), [metadata["resolve"]["root"]]
    while left:
        package = left.pop()
        if package not in found | unlinked:
            found.add(package)
            normal = [dep for dep in nodes[package]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
            left += [dep["pkg"] for dep in normal]
    packages = [package for package in metadata["packages"] if package["id"] in found - own]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """The licence files of a package."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name.lower().startswith(WORDS)]
    if package.get("license_file"):
        files = sorted({*files, folder / package["license_file"]})
    choice = re.search(r"\bOR\b|/", package["license"] or "")
    mit = [file for file in files if "mit" in file.name.lower()]
    return [file.read_text(errors="replace").strip() for file in (mit if choice and mit else files)]


def main():
    packages = shipped(json.load(sys.stdin))
    users = collections.defaultdict(list)
    print("vgg contains these crates:\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        found = texts(package)
        where = "" if found else f", text: {package['repository'] or package['homepage'] or 'not in the package'}"
        print(f"{name}: {package['license'] or 'see its text'}{where}")
        for text in found:
            # Texts that differ in line breaks only are one.
            users[" ".join(text.split())].append((name, text))
    for group in users.values():
        names = ", ".join(sorted({name for name, _ in group}))
        print(f"\n{'=' * 80}\n{names}\n\n{group[0][1]}")


if __name__ == "__main__":
    main()
