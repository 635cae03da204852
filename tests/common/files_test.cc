#include "common/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "nlohmann/json.hpp"

namespace pointsman::common {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "files_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  size_t FilesInFolder() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++count;
    return count;
  }

  std::string folder_;
};

TEST_F(FilesTest, ReplacesAFileWhole) {
  const std::string path = folder_ + "/a";
  const std::string content("one\0two", 7);
  ASSERT_TRUE(WriteFileAtomically(path, content).ok());
  EXPECT_EQ(*ReadFile(path, 100), content);
  ASSERT_TRUE(WriteFileAtomically(path, "three", {.mode = 0600, .sync = false}).ok());
  EXPECT_EQ(*ReadFile(path, 5), "three");
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(FilesTest, LeavesTheOldContentAndNoTraceWhenItFails) {
  const std::string path = folder_ + "/target";
  ASSERT_TRUE(MakeFolders(path + "/inner").ok());  // A folder cannot be replaced by a file.
  EXPECT_FALSE(WriteFileAtomically(path, "x").ok());
  EXPECT_EQ(FilesInFolder(), 1u);
  EXPECT_EQ(WriteFileAtomically(folder_ + "/none/a", "x").code(), absl::StatusCode::kNotFound);
}

TEST_F(FilesTest, ReadsWithinTheBound) {
  const std::string path = folder_ + "/a";
  ASSERT_TRUE(WriteFileAtomically(path, std::string(200'000, 'x')).ok());
  EXPECT_EQ(ReadFile(path, 200'000)->size(), 200'000u);
  EXPECT_EQ(ReadFile(path, 199'999).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile(folder_ + "/none", 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(folder_, 1).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FilesTest, WritesReadyFiles) {
  const std::string path = folder_ + "/ready";
  ASSERT_TRUE(WriteReadyFile(path, {.admin = "127.0.0.1:2", .listeners = {"127.0.0.1:1"}}).ok());
  const auto object = nlohmann::json::parse(*ReadFile(path, 1000));
  EXPECT_EQ(object["listen"], nlohmann::json::array({"127.0.0.1:1"}));
  EXPECT_EQ(object["admin"], "127.0.0.1:2");
  EXPECT_EQ(object["pid"], getpid());
  EXPECT_FALSE(object.contains("grpc"));
  EXPECT_TRUE(WriteReadyFile("", {}).ok());
  EXPECT_EQ(nlohmann::json::parse(FormatReadyFile({.listen = "a:1"}))["listen"], "a:1");
}

}  // namespace
}  // namespace pointsman::common
