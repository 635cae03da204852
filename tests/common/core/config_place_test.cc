#include "common/core/config_place.h"

#include <gtest/gtest.h>

#include <vector>

#include "pointsman/v1/config.pb.h"

namespace pointsman::common {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The place of `name` written into the message that the fields lead to.
std::string Place(const std::vector<std::string>& fields, const std::string& name) {
  const Descriptor* type = v1::Config::descriptor();
  std::vector<const FieldDescriptor*> path;
  for (const std::string& field : fields) {
    path.push_back(type->FindFieldByName(field));
    type = path.back()->message_type();
  }
  return PlaceOfField(*type, path, name);
}

TEST(ConfigPlaceTest, FindsAFieldOneLevelOff) {
  EXPECT_EQ(Place({"services", "checks"}, "path"), "it belongs one level down, in \"http\"");
  EXPECT_EQ(Place({"services"}, "slowStart"), "it belongs one level down, in \"weights\"");
  EXPECT_EQ(Place({"services", "checks", "http"}, "rise"),
            "it belongs one level up, beside \"http\"");
  EXPECT_EQ(Place({"services", "health"}, "slow_start"),
            "it belongs in \"weights\", beside \"health\"");
}

TEST(ConfigPlaceTest, SaysNothingWhereItDoesNotKnow) {
  EXPECT_EQ(Place({"services", "checks"}, "zzz"), "");
  EXPECT_EQ(Place({}, "zzz"), "");
  // Durations are written as one value: their inner fields are no place.
  EXPECT_EQ(Place({"services", "timeouts"}, "nanos"), "");
}

TEST(ConfigPlaceTest, FieldsHaveTwoNames) {
  EXPECT_EQ(FindConfigField(*v1::Timeouts::descriptor(), "first_byte"),
            FindConfigField(*v1::Timeouts::descriptor(), "firstByte"));
  EXPECT_EQ(FindConfigField(*v1::Timeouts::descriptor(), "FirstByte"), nullptr);
}

}  // namespace
}  // namespace pointsman::common
