#include "cli/gateway_commands.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "cli/next_step.h"
#include "common/core/address.h"
#include "common/core/status_macros.h"
#include "httplib.h"

namespace pointsman::cli {
namespace {

constexpr int kConnectSeconds = 5;
// Longer than a gateway lets a new process take.
constexpr int kUpgradeSeconds = 60;

}  // namespace

CommandResult UpgradeGateway(const std::string& admin, const CommandContext& context) {
  PM_ASSIGN_OR_RETURN(const common::Address address, common::ParseAddress(admin));
  if (address.port == 0) {
    return WithNext(absl::InvalidArgumentError(absl::StrCat("--admin ", admin, ": no port")),
                    "write the gateway's admin address as in \"127.0.0.1:7421\"");
  }
  httplib::Client client(common::HostOf(address), address.port);
  client.set_connection_timeout(kConnectSeconds);
  client.set_read_timeout(kUpgradeSeconds);
  const httplib::Result answer = client.Post("/upgrade");
  if (!answer) {
    const std::string why = answer.error() == httplib::Error::Connection
                                ? "nobody listens there"
                                : absl::StrCat("no answer (", to_string(answer.error()), ")");
    return WithNext(absl::UnavailableError(absl::StrCat("gateway at ", admin, ": ", why)),
                    "give the gateway's admin address with --admin HOST:PORT");
  }
  const std::string text(absl::StripAsciiWhitespace(answer->body));
  if (answer->status == 200) {
    context.out << text << "\n";
    return ExitCode::kOk;
  }
  return WithNext(absl::FailedPreconditionError(
                      absl::StrCat("gateway at ", admin, ": ", answer->status, " ", text)),
                  "see the gateway's log; it serves as before");
}

}  // namespace pointsman::cli
