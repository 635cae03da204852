#include "gateway/core/routing_table.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pointsman::gateway {
namespace {

TEST(RoutingTableTest, FindsEachServiceByItsName) {
  RoutingTable table;
  EXPECT_EQ(table.Find("a"), nullptr);
  BlockListEditor<std::shared_ptr<const ServiceTable>> editor(&table.services);
  for (int i = 0; i < 700; ++i) {
    auto service = std::make_shared<ServiceTable>();
    service->name = absl::StrCat("s", 1000 + 2 * i);
    editor.Set(static_cast<size_t>(i), std::move(service));
  }
  editor.Finish();
  for (int i = 0; i < 700; ++i) {
    const std::string name = absl::StrCat("s", 1000 + 2 * i);
    ASSERT_NE(table.Find(name), nullptr) << name;
    EXPECT_EQ(table.Find(name)->name, name);
    EXPECT_EQ(table.Find(absl::StrCat("s", 1001 + 2 * i)), nullptr);
  }
  EXPECT_EQ(table.Find(""), nullptr);
  EXPECT_EQ(table.Find("z"), nullptr);
}

}  // namespace
}  // namespace pointsman::gateway
