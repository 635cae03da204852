#!/usr/bin/env python3
"""Shows for each rule of rules.py that it can fail, and that it lets good code pass."""

import os
import tempfile
import unittest

import cpp_text
import rules

GOOD_HEADER = '#pragma once\n\n// Decides nothing. Thread-compatible.\n'


def findings(rule, files):
    """What `rule` finds in a tree of the given files (path -> text)."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as file:
                file.write(text)
        return list(rule(rules.Tree(root)))


# Rule -> trees it must refuse, trees it must pass.
CASES = {
    rules.layer_order: (
        [{'common/core/a.h': '#include "common/clock.h"\n'},
         {'agent/a.cc': '#include "gateway/core/pick.h"\n'},
         {'controller/core/a.cc': '#include "bench/support/load_run.h"\n'},
         {'controller/core/a.cc': '#include "sim/event_queue.h"\n'},
         {'sim/a.cc': '#include "gateway/net/b.h"\n'},
         {'gateway/net/a.cc': '#include "pointsman/v1/config.pb.h"\n'},
         {'gateway/core/a.h': '#include "common/core/b.h"\n',
          'common/core/b.h': '#include "agent/c.h"\n'}],
        [{'controller/rpc/a.cc': '#include "controller/core/b.h"\n#include "common/log.h"\n'},
         {'common/core/a.h': '// #include "common/clock.h"\n'},
         {'sim/policies/a.cc': '#include "sim/a.h"\n#include "gateway/core/b.h"\n'},
         {'tests/a.cc': '#include "gateway/net/b.h"\n'}]),
    rules.grpc_only_in_shells: (
        [{'gateway/proxy/a.cc': '#include <grpcpp/grpcpp.h>\n'},
         {'common/log.cc': '#include "common/b.h"\n',
          'common/b.h': '#include "pointsman/v1/admin.grpc.pb.h"\n'}],
        [{'controller/rpc/a.cc': '#include <grpcpp/grpcpp.h>\n'}]),
    rules.cores_are_pure: (
        [{'agent/core/a.cc': f'#include <{name}>\n'}
         for name in ('chrono', 'thread', 'mutex', 'sys/socket.h', 'fstream', 'spdlog/spdlog.h',
                      'atomic', 'absl/time/clock.h')] +
        [{'agent/core/a.cc': code + '\n'}
         for code in ('auto t = std::chrono::steady_clock::now();', 'int x = time(nullptr);',
                      'int x = rand();', 'int x = std::rand();', 'std::cout << 1;',
                      'absl::Time t = absl::Now();', 'absl::BitGen bits;', 'getenv("X");',
                      'std::mutex m;')] +
        [{'agent/core/a.cc': '#include "common/core/b.h"\n',
          'common/core/b.h': '#include <mutex>\n'},
         {'sim/policies/a.cc': '#include <chrono>\n'}],
        [{'agent/core/a.cc': '// time(nullptr) is not called\nint last_time(int x);\n'
                             'std::string s = "rand()"; auto y = policy.time(3);\n'},
         {'gateway/core/a.h': '#include <atomic>\n'},
         {'agent/a.cc': '#include <thread>\n'}, {'sim/main.cc': '#include <fstream>\n'},
         {'sim/a.cc': '#include "gateway/core/a.h"\n',
          'gateway/core/a.h': '#include <atomic>\n'}]),
    rules.wall_clock_decides_nothing: (
        [{path: f'auto t = {read};\n'}
         for path in ('gateway/proxy/a.cc', 'gateway/core/a.h', 'agent/a.cc')
         for read in ('clock_->WallNow()', 'absl::Now()', 'time(nullptr)', 'std::time(nullptr)',
                      'std::chrono::system_clock::now()', 'Read(CLOCK_REALTIME)')],
        [{'gateway/a.cc': '// Not absl::Now().\nauto t = clock_->Now();\nint last_time(int);\n'
                          'x.time();\nSay("time(s)");\n'},
         {'gateway/proxy/access_log.cc': 'auto t = clock_->WallNow();\n'},
         {'common/clock.cc': 'Read(CLOCK_REALTIME);\n'}]),
    rules.cores_do_not_iterate_hashes: (
        [{'agent/core/a.h': 'absl::flat_hash_map<int, std::vector<int>> m_;\n',
          'agent/core/a.cc': 'for (auto& [k, v] : m_) Use(k);\n'},
         {'agent/core/a.cc': 'std::unordered_map<int, int> m;\nauto i = m.begin();\n'}],
        [{'agent/core/a.cc': 'absl::flat_hash_map<int, int> m;\n// In any order.\n'
                             'for (auto& x : m) Use(x);\n'},
         {'agent/core/a.cc': 'absl::flat_hash_map<int, int> m;\nauto i = m.find(3);\n'
                             'std::map<int, int> o;\nfor (auto& x : o) Use(x);\n'}]),
    rules.compilers_of_debian_12: (
        [{'cli/a.cc': '#include <format>\n'}, {'cli/a.cc': '#include <ranges>\n'}],
        [{'cli/a.cc': '#include <algorithm>\n'}]),
    rules.heavy_headers_stay_in_one_file: (
        [{'cli/a.h': '#include <CLI/CLI.hpp>\n'}, {'common/a.h': '#include <nlohmann/json.hpp>\n'}],
        [{'cli/a.cc': '#include <CLI/CLI.hpp>\n'}]),
    rules.headers_open_properly: (
        [{'cli/a.h': '// A comment.\n#pragma once\n'}, {'cli/a.h': '#pragma once\nint x;\n'},
         {'cli/a.h': ''}],
        [{'cli/a.h': GOOD_HEADER}]),
    rules.cores_are_tested: (
        [{'agent/core/a.cc': 'int x;\n'},
         {'agent/core/a_more.cc': '#include "agent/core/a_state.h"\n',
          'agent/core/a_state.h': GOOD_HEADER, 'tests/agent/core/b_test.cc': 'int y;\n'}],
        [{'agent/core/a.cc': 'int x;\n', 'tests/agent/core/a_test.cc': 'int y;\n'},
         {'agent/core/a_more.cc': '#include "agent/core/a_state.h"\n',
          'agent/core/a_state.h': GOOD_HEADER,
          'tests/agent/core/all_test.cc': '#include "agent/core/a_state.h"\n'}]),
    rules.sizes: (
        [{'cli/a.cc': 'int x;\n' * 801},
         {'cli/a.cc': 'int F() {\n' + '  Use();\n' * 70 + '}\n'},
         {'cli/a.cc': 'A::A(int x)\n    : a_(x),\n      b_{x} {\n' + '  Use();\n' * 70 + '}\n'},
         {'cli/a.py': 'def f():\n' + '    use()\n' * 70}],
        [{'cli/a.cc': 'int x;\n' * 800},
         {'cli/a.cc': 'int F() {\n' + '  Use();\n' * 68 + '}\n'},
         {'cli/a.cc': 'const int kTable[] = {\n' + '    1,\n' * 100 + '};\n'},
         {'cli/a.cc': 'class A {\n' + '  void F() {}\n' * 100 + '};\n'}]),
    rules.no_paths_of_one_machine: (
        [{'cli/a.cc': 'Open("/ho' + 'me/x/y");\n'}, {'deploy/a.sh': 'cd /ro' + 'ot/x\n'}],
        [{'cli/a.cc': 'Open("relative/wo' + 'rk/y");\n'}]),
    rules.nothing_is_left_for_later: (
        [{'docs/a.md': 'TO' + 'DO: write\n'}], [{'docs/a.md': 'All there is.\n'}]),
    rules.tests_do_not_sleep: (
        [{'tests/a/a_test.cc': 'absl::SleepFor(x);\n'},
         {'tests/a/a_test.cc': 'std::this_thread::sleep_for(x);\n'}, {'tests/a.cc': 'sleep(1);\n'}],
        [{'tests/e2e/a.py': 'time.sleep(0.01)\n'}, {'tests/a.cc': 'WaitUntil(done);\n'}]),
    rules.tests_are_not_skipped: (
        [{'tests/a.cc': 'GTEST_SKIP();\n'}, {'tests/a.cc': 'TEST(A, DISABLED_B) {}\n'}],
        [{'tests/a.cc': 'TEST(A, B) {}\n'}]),
    rules.names_are_domain_words: (
        [{'cli/a.h': 'class TableManager {\n'}, {'cli/a.cc': 'struct StringUtils {\n'}],
        [{'cli/a.h': 'class Table {\n'}]),
    rules.proto_fields_are_explained: (
        [{'proto/pointsman/v1/a.proto': 'message A {\n' + fields + '}\n'}
         for fields in ('  string a = 1;\n', '  // Told.\n  string a = 1;\n  string b = 2;\n',
                        '  // Told.\n\n  string a = 1;\n', '  //\n  string a = 1;\n',
                        '  string a = 1;  // Behind.\n', '  map<string, a.B> a = 1;\n',
                        '  optional a.B a =\n      1 [deprecated = true];\n',
                        '  // Told.\n  oneof c {\n    string a = 1;\n  }\n',
                        '  enum E {\n    E_A = 0;\n  }\n  E e = 1;\n',
                        '  // Told.\n  message B {\n    repeated string a = 1;\n  }\n')],
        [{'proto/pointsman/v1/a.proto':
          '// {\nsyntax = "proto3";\npackage a;\nservice S {\n  rpc F(A) returns (stream A);\n}\n'
          'enum E {\n  E_A = 0;\n}\nmessage Empty {}\nmessage A {\n  option x = 1;\n'
          '  reserved 4, 5;\n  enum K {\n    K_A = 0;\n  }\n  // Told: "}",\n  // at length.\n'
          '  optional K k = 1;\n  oneof c {\n    // Told.\n    map<string, K> m =\n        2;\n'
          '  }\n  // Told.\n  string s = 3 [json_name = "{"];\n}\n'},
         {'tests/a.proto': 'message A {\n  string a = 1;\n}\n'}]),
}


class RulesTest(unittest.TestCase):

    def test_every_rule_has_a_case(self):
        self.assertEqual(set(CASES), set(rules.RULES))

    def test_each_rule_can_fail(self):
        for rule, (bad, _) in CASES.items():
            for number, files in enumerate(bad):
                with self.subTest(rule=rule.__name__, number=number):
                    self.assertTrue(findings(rule, files))

    def test_each_rule_lets_good_code_pass(self):
        for rule, (_, good) in CASES.items():
            for number, files in enumerate(good):
                with self.subTest(rule=rule.__name__, number=number):
                    self.assertEqual(findings(rule, files), [])

    def test_a_finding_names_place_chain_and_replacement(self):
        found = findings(rules.cores_are_pure,
                         {'agent/core/a.cc': '\n#include "common/core/b.h"\n',
                          'common/core/b.h': '#include <chrono>\n'})
        self.assertTrue(any(line.startswith('agent/core/a.cc:2:') and 'common/core/b.h' in line and
                            'MonotonicTime' in line for line in found), found)


class CppTextTest(unittest.TestCase):

    def test_comments_and_strings_are_blanked(self):
        text = 'a; // {x}\nb = "}{"; /* {\n{ */ c = \'{\'; d = R"x(}")x";\n'
        blanked = cpp_text.blank(text)
        self.assertNotIn('{', blanked)
        self.assertNotIn('}', blanked)
        self.assertEqual(blanked.count('\n'), text.count('\n'))

    def test_digit_separators_are_no_characters(self):
        self.assertIn('{', cpp_text.blank("int x = 1'000; if (y) { z = 2'000; }"))

    def test_functions_are_found_in_classes_and_namespaces(self):
        text = ('namespace a {\nclass B : public C {\n public:\n  B() : x_{1}, y_(2) {\n    F();\n'
                '  }\n  int G() const { return 1; }\n  D d = {1, 2};\n};\n\n'
                'template <typename T>\nstd::vector<T> H(T t) {\n  auto l = [&](int i) {\n'
                '    return i;\n  };\n  for (;;) {\n  }\n}\n}  // namespace a\n')
        self.assertEqual(cpp_text.functions(text), [(4, 6), (7, 7), (12, 18)])


if __name__ == '__main__':
    unittest.main()
