# For the programs of bench that are Python: source it, then
#
#   install_and_build ROOT "TARGET ..." ARGUMENT...
#
# Installs bench/packages.txt for a first argument --install (and exits when it is the only one); builds
# the targets in release, unless the arguments name a build folder or ask for help. What is left of the
# arguments is in $arguments.
install_and_build() {
  local root=$1 targets=$2
  shift 2
  if [ "${1:-}" = --install ]; then
    "$root/deploy/install-packages.sh" "$root/bench/packages.txt"
    shift
    [ $# -gt 0 ] || exit 0
  fi
  arguments=("$@")
  case " $* " in
    *" --build"* | *" --help "* | *" -h "*) return ;;
  esac
  # shellcheck disable=SC2086 # Several targets on purpose.
  (cd "$root" && cmake --preset dev >/dev/null && cmake --build --preset dev --target $targets)
}
