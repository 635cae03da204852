#pragma once

// A folder of its own for a test, removed with everything in it. Thread-compatible.

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace pointsman::gateway {

class TempDir {
 public:
  TempDir() {
    std::string path = (std::filesystem::temp_directory_path() / "pm-gateway-XXXXXX").string();
    path_ = mkdtemp(path.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pointsman::gateway
