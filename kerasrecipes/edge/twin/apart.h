// Programs in processes of their own, which may crash or hang. POSIX.
#pragma once

#include <string>
#include <vector>

struct Ended {
  // As in a shell: 128 and the signal where one ended it; -1 where it took too long.
  int status;
  std::string told;
};

// Run a program, found as a shell finds it, with a text as its input, for so many seconds at most.
// What it tells is its output and its errors. Throws std::runtime_error if there can be none.
Ended RunApart(const std::vector<std::string>& command, const std::string& input, int seconds);
