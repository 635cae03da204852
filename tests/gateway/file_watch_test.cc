#include "gateway/file_watch.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "common/files.h"
#include "tests/gateway/control/temp_dir.h"

namespace pointsman::gateway {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() { Write("a"); }
  // Another file in its place.
  void Write(const std::string& text) {
    EXPECT_TRUE(common::WriteFileAtomically(path_, text).ok());
  }

  TempDir dir_;
  const std::string path_ = dir_.path() + "/file";
};

TEST_F(FileWatchTest, TellsEachChangeOnceItHasSettled) {
  FileWatch watch(path_);
  EXPECT_FALSE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
  Write("b");
  EXPECT_FALSE(watch.Changed()) << "it may still be written";
  Write("c");
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
}

TEST_F(FileWatchTest, NoticesWhatIsWrittenInPlace) {
  FileWatch watch(path_);
  std::FILE* file = std::fopen(path_.c_str(), "a");
  ASSERT_NE(file, nullptr);
  std::fputs("more", file);
  std::fclose(file);
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
}

TEST_F(FileWatchTest, AFileThatVanishesHasChanged) {
  FileWatch watch(path_);
  std::remove(path_.c_str());
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
  Write("b");
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
}

TEST_F(FileWatchTest, WhatWasReadMeanwhileIsKnown) {
  FileWatch watch(path_);
  Write("b");
  EXPECT_FALSE(watch.Changed());
  watch.Know();
  EXPECT_FALSE(watch.Changed());
}

}  // namespace
}  // namespace pointsman::gateway
