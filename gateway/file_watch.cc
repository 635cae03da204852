#include "gateway/file_watch.h"

#include <sys/stat.h>

#include <utility>

namespace pointsman::gateway {

FileWatch::FileWatch(std::string path) : path_(std::move(path)) { Know(); }

void FileWatch::Know() { known_ = seen_ = Look(); }

bool FileWatch::Changed() {
  const Version now = Look();
  if (std::exchange(seen_, now) != now || now == known_) return false;
  known_ = now;
  return true;
}

FileWatch::Version FileWatch::Look() const {
  struct stat facts {};
  if (stat(path_.c_str(), &facts) != 0) return {};
  return {facts.st_dev, facts.st_ino, facts.st_size,
          int64_t{facts.st_ctim.tv_sec} * 1'000'000'000 + facts.st_ctim.tv_nsec};
}

}  // namespace pointsman::gateway
