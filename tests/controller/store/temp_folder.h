#pragma once

// A folder of the test's own under /tmp, removed at the end. Thread-compatible.

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/core/check.h"

namespace pointsman::controller {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/pm-store-XXXXXX";
    PM_CHECK(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace pointsman::controller
