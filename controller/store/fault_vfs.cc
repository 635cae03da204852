#include "controller/store/fault_vfs.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/core/check.h"
#include "common/mutex.h"

namespace pointsman::controller {
namespace {

struct FaultVfs {
  sqlite3_vfs vfs{};
  sqlite3_vfs* base = nullptr;
  std::string name;
  std::string fault_file;

  bool failing() const { return access(fault_file.c_str(), F_OK) == 0; }
};

// SQLite allocates szOsFile bytes: this, then the default file system's own file.
struct FaultFile {
  sqlite3_file file;
  FaultVfs* owner;
};

sqlite3_file* BaseFile(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<FaultFile*>(file) + 1);
}
bool Failing(sqlite3_file* file) { return reinterpret_cast<FaultFile*>(file)->owner->failing(); }
FaultVfs* Owner(sqlite3_vfs* vfs) { return static_cast<FaultVfs*>(vfs->pAppData); }

int Close(sqlite3_file* f) { return BaseFile(f)->pMethods->xClose(BaseFile(f)); }
int Read(sqlite3_file* f, void* to, int bytes, sqlite3_int64 offset) {
  return BaseFile(f)->pMethods->xRead(BaseFile(f), to, bytes, offset);
}
int Write(sqlite3_file* f, const void* from, int bytes, sqlite3_int64 offset) {
  if (Failing(f)) return SQLITE_IOERR_WRITE;
  return BaseFile(f)->pMethods->xWrite(BaseFile(f), from, bytes, offset);
}
int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (Failing(f)) return SQLITE_IOERR_TRUNCATE;
  return BaseFile(f)->pMethods->xTruncate(BaseFile(f), size);
}
int Sync(sqlite3_file* f, int flags) {
  if (Failing(f)) return SQLITE_IOERR_FSYNC;
  return BaseFile(f)->pMethods->xSync(BaseFile(f), flags);
}
int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  return BaseFile(f)->pMethods->xFileSize(BaseFile(f), size);
}
int Lock(sqlite3_file* f, int level) { return BaseFile(f)->pMethods->xLock(BaseFile(f), level); }
int Unlock(sqlite3_file* f, int level) {
  return BaseFile(f)->pMethods->xUnlock(BaseFile(f), level);
}
int CheckReservedLock(sqlite3_file* f, int* result) {
  return BaseFile(f)->pMethods->xCheckReservedLock(BaseFile(f), result);
}
int FileControl(sqlite3_file* f, int operation, void* argument) {
  return BaseFile(f)->pMethods->xFileControl(BaseFile(f), operation, argument);
}
int SectorSize(sqlite3_file* f) { return BaseFile(f)->pMethods->xSectorSize(BaseFile(f)); }
int DeviceCharacteristics(sqlite3_file* f) {
  return BaseFile(f)->pMethods->xDeviceCharacteristics(BaseFile(f));
}
int ShmMap(sqlite3_file* f, int page, int bytes, int extend, void volatile** to) {
  return BaseFile(f)->pMethods->xShmMap(BaseFile(f), page, bytes, extend, to);
}
int ShmLock(sqlite3_file* f, int offset, int count, int flags) {
  return BaseFile(f)->pMethods->xShmLock(BaseFile(f), offset, count, flags);
}
void ShmBarrier(sqlite3_file* f) { BaseFile(f)->pMethods->xShmBarrier(BaseFile(f)); }
int ShmUnmap(sqlite3_file* f, int remove) {
  return BaseFile(f)->pMethods->xShmUnmap(BaseFile(f), remove);
}

// Version 2: with shared memory for the write-ahead log, without memory-mapped reads.
constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

int OpenFile(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  FaultVfs* owner = Owner(vfs);
  auto* fault = reinterpret_cast<FaultFile*>(file);
  fault->owner = owner;
  fault->file.pMethods = nullptr;
  BaseFile(file)->pMethods = nullptr;
  const int code = owner->base->xOpen(owner->base, name, BaseFile(file), flags, out_flags);
  // SQLite closes a file that has methods, also after a failed open.
  if (BaseFile(file)->pMethods != nullptr) fault->file.pMethods = &kMethods;
  return code;
}

}  // namespace

std::string RegisterFaultVfs(const std::string& fault_file) {
  static common::Mutex mutex;
  // Never freed: SQLite keeps the pointers until the process ends.
  static auto* registered = new std::map<std::string, std::unique_ptr<FaultVfs>>();
  common::MutexLock lock(mutex);
  std::unique_ptr<FaultVfs>& entry = (*registered)[fault_file];
  if (entry != nullptr) return entry->name;
  sqlite3_vfs* base = sqlite3_vfs_find(nullptr);
  PM_CHECK(base != nullptr);
  entry = std::make_unique<FaultVfs>();
  entry->base = base;
  entry->fault_file = fault_file;
  entry->name = absl::StrCat("pointsman-fault-", registered->size());
  // Everything but opening a file is the default's own; it reads its own pAppData, so that is
  // kept where it must be: the copy is only used through OpenFile.
  entry->vfs = *base;
  entry->vfs.pNext = nullptr;
  entry->vfs.zName = entry->name.c_str();
  entry->vfs.szOsFile = static_cast<int>(sizeof(FaultFile)) + base->szOsFile;
  entry->vfs.pAppData = entry.get();
  entry->vfs.xOpen = OpenFile;
  PM_CHECK(sqlite3_vfs_register(&entry->vfs, 0) == SQLITE_OK);
  return entry->name;
}

}  // namespace pointsman::controller
