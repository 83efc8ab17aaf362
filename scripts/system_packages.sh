#!/usr/bin/env bash
# Debian packages that the tests of reports and pages need: Pango for WeasyPrint, LaTeX with Chinese, a Chinese font,
# pdftotext, Chromium; and the validators of DICOM objects. In CI also Orthanc, to which tests send objects, each to one of
# its own; not on a developer's machine, where this server would start by itself.
# Installs what is missing where it may. Where it may not, it says so and goes on, and those tests are skipped; in CI it fails.
set -euo pipefail

packages=(
  libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
  texlive-latex-base texlive-latex-recommended latex-cjk-chinese latex-cjk-chinese-arphic-gbsn00lp
  fonts-wqy-microhei poppler-utils
  chromium
  dcmtk dicom3tools
)
[ -z "${CI:-}" ] || packages+=(orthanc orthanc-dicomweb)

give_up() {
  echo "system packages: $1; tests that need them are skipped: ${missing[*]}" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 0
}

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) || status=
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || give_up "no apt-get here"
if [ "$(id -u)" = 0 ]; then
  as_root=()
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
else
  give_up "neither root nor sudo without a password"
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}
install() {
  apt install --no-install-recommends --yes "${missing[@]}"
}

echo "system packages: installing ${missing[*]}" >&2
install 2>/dev/null || { apt update && install; } || give_up "apt-get failed"
