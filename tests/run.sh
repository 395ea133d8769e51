#!/bin/sh
# All tests. Ends with `N passed, N failed`. Build folders: build/test-*, reused.
#
#   tests/run.sh              everything
#   tests/run.sh release      end to end, over the program as it is shipped
#   tests/run.sh sanitizers   unit, simulation, end to end (but what waits for limits of time) and the fuzz corpora under AddressSanitizer and UBSan
#   tests/run.sh threads      what runs on several threads under ThreadSanitizer
#   tests/run.sh fuzz         the fuzz targets for a short while, with clang's libFuzzer
set -u
cd "$(dirname "$0")/.."
. examples/packages.sh
install_packages || exit 1

parts=${*:-release sanitizers threads fuzz}
jobs=${JOBS:-$(nproc)}
passed=0
failed=0
export MESON_TESTTHREADS="${MESON_TESTTHREADS:-$jobs}"

# build FOLDER OPTIONS...: all of it, or $targets; a failure counts as one failed test.
build() {
  folder=build/$1
  shift
  [ -f "$folder/build.ninja" ] || meson setup "$folder" "$@" > "$folder.log" 2>&1 || { cat "$folder.log"; failed=$((failed + 1)); return 1; }
  # shellcheck disable=SC2086  # words on purpose
  ninja -C "$folder" -j "$jobs" ${targets:-} > "$folder.log" 2>&1 || { tail -n 60 "$folder.log"; failed=$((failed + 1)); return 1; }
}

# meson_test FOLDER WHICH...: sets $good, $bad and $failing, a name a line.
meson_test() {
  folder=$1
  shift
  # shellcheck disable=SC2086  # words on purpose
  ${wrapper:-} meson test -C "$folder" --no-rebuild --print-errorlogs --timeout-multiplier 2 "$@" 2>&1 | tee "$folder.log" |
    grep -vE '^(ninja|Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout):|^$'
  set -- $(awk '/^Ok:/ {ok += $2} /^(Fail|Unexpected Pass|Timeout):/ {bad += $NF} END {print ok + 0, bad + 0}' "$folder.log")
  good=$1
  bad=$2
  failing=$(sed -nE 's/^ *[0-9]+\/[0-9]+ ([^ ]+ \/ )?(.*[^ ]) +(FAIL|TIMEOUT) .*/\2/p' "$folder.log" | sort -u)
  [ $((good + bad)) -gt 0 ] || bad=1 # nothing ran: meson itself failed
}

# run FOLDER WHICH...: meson's tests; adds its numbers to ours. Two tests beside each other may starve one that looks at a clock:
# up to three that failed are run once more, each alone, and that is said; what fails then has failed.
run() {
  folder=build/$1
  shift
  meson_test "$folder" "$@"
  ran=$((good + bad))
  if [ -n "$failing" ] && [ "$bad" -le 3 ]; then
    echo "== again, each alone: $(echo "$failing" | paste -sd ,)"
    cp "$folder.log" "$folder-first.log"
    IFS='
'
    # shellcheck disable=SC2086  # a name a line
    set -- $failing
    unset IFS
    MESON_TESTTHREADS=1 meson_test "$folder" "$@"
  fi
  failed=$((failed + bad))
  passed=$((passed + ran - bad))
}

# fuzz TARGET CORPUS: a short while of new inputs; the corpus itself is replayed with the other tests.
fuzz() {
  program=build/test-fuzz/tests/fuzz/fuzz_$1
  fresh=$(mktemp -d)
  if "$program" -max_total_time="${FUZZ_SECONDS:-5}" -artifact_prefix="build/fuzz-$1-" "$fresh" "tests/data/$2" > "build/fuzz-$1.log" 2>&1; then
    echo "fuzz $1: nothing found"
    passed=$((passed + 1))
  else
    tail -n 40 "build/fuzz-$1.log"
    failed=$((failed + 1))
  fi
  rm -rf "$fresh"
}

# Many small files are made and removed: memory is kinder to the machine than its disk, where there is enough.
if [ -z "${PEER_TEST_DIR:-}" ] && [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 {print $4}')" -gt 3000000 ]; then
  export PEER_TEST_DIR=/dev/shm
fi

mkdir -p build
for part in $parts; do
  echo "== $part"
  case $part in
    release)
      targets='peer/peer tests/faults/libfault_shim.so'
      build test-release && PEER_TEST_PATIENCE=3 run test-release --suite e2e
      ;;
    sanitizers)
      export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
      targets=
      # A command's start counts, as hundreds are run: no tables to relocate, and none for UBSan's checks of each pointer, of which
      # AddressSanitizer finds what matters here. (The two warnings are false alarms in instrumented code; the release build has them.)
      build test-asan -Dbuildtype=plain -Db_sanitize=address,undefined -Db_lundef=false -Db_staticpic=false -Dcpp_link_args=-no-pie \
        -Dcpp_args='-O0 -g1 -fno-pie -fno-sanitize=null,alignment -Wno-error=maybe-uninitialized -Wno-error=stringop-overflow' &&
        PEER_TEST_PATIENCE=4 run test-asan --no-suite patience
      ;;
    threads)
      targets='peer/peer tests/unit/unit_net'
      # Address space randomisation of recent kernels gets in the way of g++ 12's ThreadSanitizer.
      # (Warnings are errors in the other builds: this one's are false alarms more often than not.)
      build test-tsan -Dwerror=false -Dbuildtype=plain -Db_sanitize=thread -Db_lundef=false -Dcpp_args='-O0 -g1 -Wno-tsan' &&
        wrapper="setarch $(uname -m) -R" PEER_TEST_PATIENCE=6 TSAN_OPTIONS=halt_on_error=1 run test-tsan 'unit net' 'e2e smoke' 'e2e crowd'
      ;;
    fuzz)
      install_packages clang libclang-rt-dev || exit 1
      targets='tests/fuzz/fuzz_message tests/fuzz/fuzz_manifest tests/fuzz/fuzz_frame tests/fuzz/fuzz_beacon tests/fuzz/fuzz_code tests/fuzz/fuzz_share'
      if build test-fuzz; then
        fuzz message wire
        fuzz manifest manifest
        fuzz frame frame
        fuzz beacon beacon
        fuzz code code
        fuzz share share
      fi
      ;;
    *)
      echo "tests/run.sh: there is no part called $part" >&2
      exit 2
      ;;
  esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
