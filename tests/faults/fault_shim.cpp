// Loaded into a node by LD_PRELOAD, counts the file operations below given folders, the messages
// written, what is asked of TCP connections and of the heap, and makes the Nth of them fail, write
// less than asked, wait, or end the process. What to do, and what happened, stands in the file that
// PEER_FAULTS names, which the test maps too: tests/support/faults.py. All numbers there are 64
// bits wide, in the order of Control.
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

enum class Kind : unsigned {
  open,
  create,
  read,
  write,
  truncate,
  allocate,
  sync,
  rename,
  link,
  unlink,
  mkdir,
  symlink,
  chmod,
  utime,
  close,
  seek,
  stat,
  list,
  message,
  send,  ///< on a TCP connection, as the next two
  receive,
  connect,
  memory  ///< operator new, or malloc of a C library
};
constexpr std::size_t kKinds = 23;

enum class Action : std::uint64_t { fail, shorten, kill_before, kill_after, delay };

struct Control {
  std::atomic<std::uint64_t> armed;  ///< 0: everything passes, nothing is counted
  std::uint64_t kinds;               ///< bit N: operations of kind N count
  std::uint64_t at;                  ///< the first operation that is hit, from 1; 0: none
  std::uint64_t times;               ///< how many are hit in a row
  Action action;
  std::uint64_t error;  ///< errno of `fail`, milliseconds of `delay`
  std::uint64_t bytes;  ///< memory: fewer are always given
  std::atomic<std::uint64_t> calls;
  std::atomic<std::uint64_t> fired;
  std::array<std::atomic<std::uint64_t>, kKinds> by_kind;
  std::array<char, 2048> folders;  ///< one a line; the last line is empty
  std::array<char, 1024> where;    ///< path of the first operation that was hit
};

Control* open_control() {
  const char* name = std::getenv("PEER_FAULTS");
  if (!name) return nullptr;
  const auto fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0));
  if (fd < 0) return nullptr;
  void* mapped = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::syscall(SYS_close, fd);
  return mapped == MAP_FAILED ? nullptr : static_cast<Control*>(mapped);
}

Control* control() {
  static Control* const mapped = open_control();
  return mapped;
}

bool lies_below_one(const Control& c, std::string_view path) {
  for (const char* line = c.folders.data(); *line;) {
    const std::string_view folder(line, std::strcspn(line, "\n"));
    if (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'))
      return true;
    line += folder.size() + 1;
  }
  return false;
}

/// The path of `name` below the folder `fd`, or of `fd` itself; "" when it has none.
std::string_view path_of(int fd, const char* name, std::array<char, 2 * PATH_MAX>& out) {
  if (name && name[0] == '/') return name;
  std::array<char, 64> link;
  if (fd == AT_FDCWD) {
    std::snprintf(link.data(), link.size(), "/proc/self/cwd");
  } else {
    std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  }
  const auto n = ::syscall(SYS_readlinkat, AT_FDCWD, link.data(), out.data(), PATH_MAX);
  if (n <= 0) return {};
  auto size = static_cast<std::size_t>(n);
  if (name && name[0]) {
    const auto added = ::strnlen(name, PATH_MAX - 1);
    out[size++] = '/';
    std::memcpy(out.data() + size, name, added);
    size += added;
  }
  return {out.data(), size};
}

/// What is to happen to one operation.
struct Verdict {
  bool hit = false;
  Action action = Action::fail;
  int error = 0;

  /// So many milliseconds, or until the test has had enough.
  void wait() const {
    for (int n = 0; n < error && control()->armed.load(std::memory_order_acquire) != 0; ++n)
      ::usleep(1000);
  }
  bool fails() const { return hit && action == Action::fail; }
  bool is_short() const { return hit && action == Action::shorten; }
  void before() const {
    if (hit && action == Action::kill_before) ::kill(::getpid(), SIGKILL);
    if (hit && action == Action::delay) wait();
  }
  void after() const {
    if (hit && action == Action::kill_after) ::kill(::getpid(), SIGKILL);
  }
};

Verdict judge(Control& c, Kind kind, std::string_view path) {
  const auto number = static_cast<unsigned>(kind);
  c.by_kind[number].fetch_add(1);
  if (!(c.kinds >> number & 1U)) return {};
  const auto n = c.calls.fetch_add(1) + 1;
  if (c.at == 0 || n < c.at || n - c.at >= c.times) return {};
  if (c.fired.fetch_add(1) == 0) {
    const auto size = std::min(path.size(), c.where.size() - 1);
    std::memcpy(c.where.data(), path.data(), size);
    c.where[size] = '\0';
  }
  return {true, c.action, static_cast<int>(c.error)};
}

bool is_tcp(int fd) {
  int domain = 0, type = 0;
  socklen_t size = sizeof(int);
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
         (domain == AF_INET || domain == AF_INET6);
}

Verdict judge(Kind kind, int fd, const char* name) {
  Control* c = control();
  if (!c || c->armed.load(std::memory_order_acquire) == 0) return {};
  const int before = errno;
  std::array<char, 2 * PATH_MAX> room;
  const auto path = path_of(fd, name, room);
  Verdict verdict;
  if (!name && path.starts_with("socket:")) {
    if (kind == Kind::read) kind = Kind::receive;
    if (kind == Kind::write) kind = Kind::send;
    const bool counts = kind == Kind::receive || kind == Kind::send || kind == Kind::connect;
    if (counts && is_tcp(fd)) verdict = judge(*c, kind, "a connection");
  } else if (!path.empty() && lies_below_one(*c, path)) {
    verdict = judge(*c, kind, path);
  }
  errno = before;
  return verdict;
}

/// Does `real`, or what the test wants instead. A call that fails does nothing.
template <class Real>
auto run(Kind kind, int fd, const char* name, Real real) -> decltype(real()) {
  const auto verdict = judge(kind, fd, name);
  verdict.before();
  if (verdict.fails()) {
    errno = verdict.error;
    return static_cast<decltype(real())>(-1);
  }
  const auto result = real();
  verdict.after();
  return result;
}

/// The same for `size` bytes, of which it may be asked to do half.
template <class Real>
ssize_t run_part(Kind kind, int fd, std::size_t size, Real real) {
  const auto verdict = judge(kind, fd, nullptr);
  verdict.before();
  if (verdict.fails()) {
    errno = verdict.error;
    return -1;
  }
  const ssize_t done = real(verdict.is_short() ? (size + 1) / 2 : size);
  verdict.after();
  return done;
}

Kind kind_of_open(int flags) { return flags & O_CREAT ? Kind::create : Kind::open; }

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// Each stands for the libc function of its symbol; structures it only passes on are void.
#define STANDS_FOR(symbol, result, shim, ...)                                                 \
  extern "C" __attribute__((visibility("default"))) result shim(__VA_ARGS__) __asm__(symbol); \
  extern "C" result shim(__VA_ARGS__)
#define NEXT(symbol, ...)       \
  using Function = __VA_ARGS__; \
  static Function* const real = next<Function>(symbol)

#define SHIM_OPEN(symbol, shim)                                                               \
  STANDS_FOR(symbol, int, shim, const char* path, int flags, mode_t mode) {                   \
    NEXT(symbol, int(const char*, int, mode_t));                                              \
    return run(kind_of_open(flags), AT_FDCWD, path, [&] { return real(path, flags, mode); }); \
  }
SHIM_OPEN("open", shim_open)
SHIM_OPEN("open64", shim_open64)

#define SHIM_OPENAT(symbol, shim)                                                           \
  STANDS_FOR(symbol, int, shim, int at, const char* path, int flags, mode_t mode) {         \
    NEXT(symbol, int(int, const char*, int, mode_t));                                       \
    return run(kind_of_open(flags), at, path, [&] { return real(at, path, flags, mode); }); \
  }
SHIM_OPENAT("openat", shim_openat)
SHIM_OPENAT("openat64", shim_openat64)

STANDS_FOR("syscall", long, shim_syscall, long number, long a, long b, long c, long d, long e,
           long f) {
  NEXT("syscall", long(long, long, long, long, long, long, long));
  const auto call = [&] { return real(number, a, b, c, d, e, f); };
  const auto text = [](long argument) { return reinterpret_cast<const char*>(argument); };
  if (number == SYS_openat2) {
    const auto& how = *reinterpret_cast<const open_how*>(c);
    return run(kind_of_open(static_cast<int>(how.flags)), static_cast<int>(a), text(b), call);
  }
  if (number == SYS_renameat2) return run(Kind::rename, static_cast<int>(c), text(d), call);
  return call();
}

#define SHIM_BYTES(symbol, shim, kind, bytes)                                                \
  STANDS_FOR(symbol, ssize_t, shim, int fd, bytes at, std::size_t size, long offset) {       \
    NEXT(symbol, ssize_t(int, bytes, std::size_t, long));                                    \
    return run_part(kind, fd, size, [&](std::size_t n) { return real(fd, at, n, offset); }); \
  }
SHIM_BYTES("read", shim_read, Kind::read, void*)
SHIM_BYTES("pread", shim_pread, Kind::read, void*)
SHIM_BYTES("pread64", shim_pread64, Kind::read, void*)
SHIM_BYTES("write", shim_write, Kind::write, const void*)
SHIM_BYTES("pwrite", shim_pwrite, Kind::write, const void*)
SHIM_BYTES("pwrite64", shim_pwrite64, Kind::write, const void*)
SHIM_BYTES("recv", shim_recv, Kind::receive, void*)
SHIM_BYTES("send", shim_send, Kind::send, const void*)

/// int symbol(int fd, long, long, long)
#define SHIM_FD(symbol, shim, kind, result)                           \
  STANDS_FOR(symbol, result, shim, int fd, long a, long b, long c) {  \
    NEXT(symbol, result(int, long, long, long));                      \
    return run(kind, fd, nullptr, [&] { return real(fd, a, b, c); }); \
  }
SHIM_FD("ftruncate", shim_ftruncate, Kind::truncate, int)
SHIM_FD("ftruncate64", shim_ftruncate64, Kind::truncate, int)
SHIM_FD("fallocate", shim_fallocate, Kind::allocate, int)
SHIM_FD("fallocate64", shim_fallocate64, Kind::allocate, int)
SHIM_FD("fsync", shim_fsync, Kind::sync, int)
SHIM_FD("fdatasync", shim_fdatasync, Kind::sync, int)
SHIM_FD("syncfs", shim_syncfs, Kind::sync, int)
SHIM_FD("sync_file_range", shim_sync_file_range, Kind::sync, int)
SHIM_FD("fchmod", shim_fchmod, Kind::chmod, int)
SHIM_FD("futimens", shim_futimens, Kind::utime, int)
SHIM_FD("lseek", shim_lseek, Kind::seek, long)
SHIM_FD("lseek64", shim_lseek64, Kind::seek, long)
SHIM_FD("fstat", shim_fstat, Kind::stat, int)
SHIM_FD("fstat64", shim_fstat64, Kind::stat, int)
SHIM_FD("recvmsg", shim_recvmsg, Kind::receive, ssize_t)
SHIM_FD("sendmsg", shim_sendmsg, Kind::send, ssize_t)
SHIM_FD("connect", shim_connect, Kind::connect, int)

/// int symbol(int folder, const char* name, long, long)
#define SHIM_AT(symbol, shim, kind, result)                                    \
  STANDS_FOR(symbol, result, shim, int at, const char* name, long a, long b) { \
    NEXT(symbol, result(int, const char*, long, long));                        \
    return run(kind, at, name, [&] { return real(at, name, a, b); });          \
  }
SHIM_AT("unlinkat", shim_unlinkat, Kind::unlink, int)
SHIM_AT("mkdirat", shim_mkdirat, Kind::mkdir, int)
SHIM_AT("utimensat", shim_utimensat, Kind::utime, int)
SHIM_AT("fchmodat", shim_fchmodat, Kind::chmod, int)
SHIM_AT("fstatat", shim_fstatat, Kind::stat, int)
SHIM_AT("fstatat64", shim_fstatat64, Kind::stat, int)
SHIM_AT("readlinkat", shim_readlinkat, Kind::stat, ssize_t)
SHIM_AT("faccessat", shim_faccessat, Kind::stat, int)

/// int symbol(const char* path, long)
#define SHIM_PATH(symbol, shim, kind)                                \
  STANDS_FOR(symbol, int, shim, const char* path, long a) {          \
    NEXT(symbol, int(const char*, long));                            \
    return run(kind, AT_FDCWD, path, [&] { return real(path, a); }); \
  }
SHIM_PATH("unlink", shim_unlink, Kind::unlink)
SHIM_PATH("rmdir", shim_rmdir, Kind::unlink)
SHIM_PATH("remove", shim_remove, Kind::unlink)
SHIM_PATH("mkdir", shim_mkdir, Kind::mkdir)
SHIM_PATH("chmod", shim_chmod, Kind::chmod)
SHIM_PATH("stat", shim_stat, Kind::stat)
SHIM_PATH("stat64", shim_stat64, Kind::stat)
SHIM_PATH("lstat", shim_lstat, Kind::stat)
SHIM_PATH("lstat64", shim_lstat64, Kind::stat)
SHIM_PATH("statvfs64", shim_statvfs64, Kind::stat)

STANDS_FOR("rename", int, shim_rename, const char* from, const char* to) {
  NEXT("rename", int(const char*, const char*));
  return run(Kind::rename, AT_FDCWD, to, [&] { return real(from, to); });
}

STANDS_FOR("renameat", int, shim_renameat, int from_at, const char* from, int to_at,
           const char* to) {
  NEXT("renameat", int(int, const char*, int, const char*));
  return run(Kind::rename, to_at, to, [&] { return real(from_at, from, to_at, to); });
}

STANDS_FOR("linkat", int, shim_linkat, int from_at, const char* from, int to_at, const char* to,
           int flags) {
  NEXT("linkat", int(int, const char*, int, const char*, int));
  return run(Kind::link, to_at, to, [&] { return real(from_at, from, to_at, to, flags); });
}

STANDS_FOR("symlinkat", int, shim_symlinkat, const char* target, int at, const char* name) {
  NEXT("symlinkat", int(const char*, int, const char*));
  return run(Kind::symlink, at, name, [&] { return real(target, at, name); });
}

/// Closes whatever it then says, as Linux does.
STANDS_FOR("close", int, shim_close, int fd) {
  NEXT("close", int(int));
  const auto verdict = judge(Kind::close, fd, nullptr);
  verdict.before();
  const int result = real(fd);
  verdict.after();
  if (verdict.fails()) return errno = verdict.error, -1;
  return result;
}

STANDS_FOR("fdopendir", void*, shim_fdopendir, int fd) {
  NEXT("fdopendir", void*(int));
  const auto verdict = judge(Kind::list, fd, nullptr);
  verdict.before();
  if (verdict.fails()) return errno = verdict.error, nullptr;
  void* listing = real(fd);
  verdict.after();
  return listing;
}

#define SHIM_READDIR(symbol, shim)                                   \
  STANDS_FOR(symbol, void*, shim, void* listing) {                   \
    NEXT(symbol, void*(void*));                                      \
    static const auto fd_of = next<int(void*)>("dirfd");             \
    const auto verdict = judge(Kind::list, fd_of(listing), nullptr); \
    verdict.before();                                                \
    if (verdict.fails()) return errno = verdict.error, nullptr;      \
    void* entry = real(listing);                                     \
    verdict.after();                                                 \
    return entry;                                                    \
  }
SHIM_READDIR("readdir", shim_readdir)
SHIM_READDIR("readdir64", shim_readdir64)

STANDS_FOR("SSL_write_ex", int, shim_ssl_write_ex, void* ssl, const void* bytes, std::size_t size,
           std::size_t* written) {
  NEXT("SSL_write_ex", int(void*, const void*, std::size_t, std::size_t*));
  Control* c = control();
  Verdict verdict;
  if (c && c->armed.load(std::memory_order_acquire) != 0) verdict = judge(*c, Kind::message, "");
  verdict.before();
  const int result = real(ssl, bytes, size, written);
  verdict.after();
  return result;
}

// ---- memory

extern "C" void* __libc_malloc(std::size_t);
extern "C" void* __libc_realloc(void*, std::size_t);
extern "C" void* __libc_memalign(std::size_t, std::size_t);

namespace {

/// Who asks, as places in the program for addr2line.
std::string_view callers(std::array<char, 900>& out) {
  std::array<void*, 24> frames;
  const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  std::size_t used = 0;
  for (int i = 2; i < count; ++i) {
    Dl_info info{};
    if (::dladdr(frames[static_cast<std::size_t>(i)], &info) == 0 || !info.dli_fname) continue;
    const char* file = std::strrchr(info.dli_fname, '/');
    const auto at = static_cast<const char*>(frames[static_cast<std::size_t>(i)]) -
                    static_cast<const char*>(info.dli_fbase);
    const int n = std::snprintf(out.data() + used, out.size() - used, "%s+%#lx ",
                                file ? file + 1 : info.dli_fname, static_cast<unsigned long>(at));
    if (n < 0 || used + static_cast<std::size_t>(n) >= out.size()) break;
    used += static_cast<std::size_t>(n);
  }
  return {out.data(), used};
}

/// Whether the heap has nothing for whoever asks for so much.
bool memory_gone(std::size_t bytes) {
  static thread_local bool within = false;
  Control* c = control();
  if (within || !c || c->armed.load(std::memory_order_acquire) == 0 || bytes < c->bytes)
    return false;
  if (!(c->kinds >> static_cast<unsigned>(Kind::memory) & 1U)) return false;
  within = true;
  const auto n = c->calls.load() + 1;
  std::array<char, 900> room;
  const auto verdict = judge(*c, Kind::memory, n >= c->at && c->at ? callers(room) : "");
  within = false;
  return verdict.fails();
}

}  // namespace

STANDS_FOR("malloc", void*, shim_malloc, std::size_t bytes) {
  if (memory_gone(bytes)) return errno = ENOMEM, nullptr;
  return __libc_malloc(bytes);
}

STANDS_FOR("realloc", void*, shim_realloc, void* old, std::size_t bytes) {
  if (memory_gone(bytes)) return errno = ENOMEM, nullptr;
  return __libc_realloc(old, bytes);
}

STANDS_FOR("aligned_alloc", void*, shim_aligned_alloc, std::size_t alignment, std::size_t bytes) {
  if (memory_gone(bytes)) return errno = ENOMEM, nullptr;
  return __libc_memalign(alignment, bytes);
}
