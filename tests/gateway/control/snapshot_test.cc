#include "gateway/control/snapshot.h"

#include <string>

#include "common/clock.h"
#include "common/files.h"
#include "gtest/gtest.h"
#include "tests/gateway/control/temp_dir.h"
#include "tests/gateway/core/bundle_fixture.h"

namespace pointsman::gateway {
namespace {

v1::Bundle Example() {
  v1::Bundle bundle;
  *bundle.mutable_config() = MakeConfig(3, {"a"});
  *bundle.add_frames() = MakeSlice("a", 4, 5);
  return bundle;
}

class SnapshotTest : public ::testing::Test {
 protected:
  absl::StatusCode CodeOf(const std::string& content) {
    EXPECT_TRUE(common::WriteFileAtomically(file_.path(), content).ok());
    const auto loaded = file_.LoadAtStart();
    file_.Proven();
    return loaded.status().code();
  }

  TempDir dir_;
  SnapshotFile file_{dir_.path()};
};

TEST_F(SnapshotTest, GivesBackWhatWasSaved) {
  EXPECT_EQ(file_.LoadAtStart().status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(file_.Save(Example()).ok());
  const auto loaded = file_.LoadAtStart();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->SerializeAsString(), Example().SerializeAsString());
}

TEST_F(SnapshotTest, EmptyTruncatedAndForeignFilesAreRefused) {
  const std::string good = EncodeSnapshot(Example());
  EXPECT_EQ(CodeOf(good), absl::StatusCode::kOk);
  EXPECT_EQ(CodeOf(""), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf("something else\n"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(good + "x"), absl::StatusCode::kInvalidArgument);
  for (size_t n = 0; n < good.size(); ++n) {
    ASSERT_FALSE(DecodeSnapshot(good.substr(0, n)).ok()) << n << " bytes";
  }
}

TEST_F(SnapshotTest, AnyFlippedBitIsRefused) {
  const std::string good = EncodeSnapshot(Example());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    ASSERT_FALSE(DecodeSnapshot(bad).ok()) << "bit " << bit;
  }
}

TEST_F(SnapshotTest, IsSetAsideAfterTwoStartsThatDidNotProveThemselves) {
  ASSERT_TRUE(file_.Save(Example()).ok());
  EXPECT_TRUE(file_.LoadAtStart().ok());
  EXPECT_TRUE(SnapshotFile(dir_.path()).LoadAtStart().ok());
  EXPECT_EQ(SnapshotFile(dir_.path()).LoadAtStart().status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(common::ReadFile(file_.set_aside_path(), 1 << 20).ok()) << "kept to look at";
  EXPECT_EQ(SnapshotFile(dir_.path()).LoadAtStart().status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(file_.Save(Example()).ok());
  EXPECT_TRUE(file_.LoadAtStart().ok()) << "a new one starts from nothing";
}

TEST_F(SnapshotTest, ProvenStartsAreNotCounted) {
  ASSERT_TRUE(file_.Save(Example()).ok());
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(file_.LoadAtStart().ok());
    file_.Proven();
  }
}

TEST_F(SnapshotTest, WriterSaysWhichTableIsOnDisk) {
  SnapshotWriter writer(file_, common::SystemClock(), absl::Hours(1));
  EXPECT_EQ(writer.counts().serial, 0u);
  writer.Put(Example(), 7);
  const common::MonotonicTime deadline = common::SystemClock().Now() + absl::Seconds(10);
  while (writer.counts().serial != 7 && common::SystemClock().Now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(writer.counts().serial, 7u);
  EXPECT_EQ(writer.counts().written, 1u);
}

TEST_F(SnapshotTest, WriterWritesTheLastOneBeforeItEnds) {
  {
    SnapshotWriter writer(file_, common::SystemClock(), absl::Hours(1));
    for (uint64_t i = 1; i <= 50; ++i) {
      v1::Bundle bundle = Example();
      bundle.mutable_config()->mutable_version()->set_revision(i);
      writer.Put(std::move(bundle), i);
    }
  }
  const auto loaded = file_.LoadAtStart();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->config().version().revision(), 50u);
}

}  // namespace
}  // namespace pointsman::gateway
