#include "gateway/core/endpoint_editor.h"

#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

Endpoint Named(const std::string& id) {
  Endpoint endpoint;
  endpoint.id = id;
  return endpoint;
}

TEST(EndpointEditorTest, CopiesOnlyTheBlocksItTouches) {
  EndpointList list;
  EndpointListEditor first(&list);
  for (size_t i = 0; i < 600; ++i) first.Set(i, Named(std::to_string(i)));
  first.Finish();
  EndpointList copy = list;
  EndpointListEditor second(&copy);
  second.Set(300, Named("changed"));
  second.Finish();
  EXPECT_EQ(copy[300].id, "changed");
  EXPECT_EQ(list[300].id, "300");
  EXPECT_EQ(&copy[0], &list[0]) << "shared";
  EXPECT_EQ(&copy[599], &list[599]) << "shared";
  EXPECT_NE(&copy[256], &list[256]);
}

TEST(EndpointEditorTest, SkippedBlocksHoldEmptyPositions) {
  EndpointList list;
  EndpointListEditor editor(&list);
  editor.Set(700, Named("far"));
  editor.Finish();
  EXPECT_EQ(list.size(), 701u);
  EXPECT_EQ(list[5].handle, 0u);
  EXPECT_EQ(list[700].id, "far");
}

}  // namespace
}  // namespace pointsman::gateway
