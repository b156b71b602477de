#include "apart.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace {

constexpr size_t kMostTold = 1 << 16;

void Check(bool done) {
  if (!done) throw std::runtime_error(std::string("no process of its own: ") + std::strerror(errno));
}

void WriteAll(int to, const std::string& input) {
  for (size_t done = 0; done < input.size();) {
    const ssize_t more = write(to, input.data() + done, input.size() - done);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return;  // it has ended, and its status says how
    done += static_cast<size_t>(more);
  }
}

}  // namespace

Ended RunApart(const std::vector<std::string>& command, const std::string& input, int seconds) {
  using Clock = std::chrono::steady_clock;
  int in[2], out[2];
  Check(pipe(in) == 0);
  Check(pipe(out) == 0);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t child = fork();
  Check(child >= 0);
  if (child == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(out[1], STDERR_FILENO);
    for (int one : {in[0], in[1], out[0], out[1]}) close(one);
    signal(SIGPIPE, SIG_DFL);
    execvp(words[0], words.data());
    dprintf(STDERR_FILENO, "%s: %s\n", words[0], std::strerror(errno));
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  signal(SIGPIPE, SIG_IGN);
  WriteAll(in[1], input);
  close(in[1]);
  Ended ended{0, ""};
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    pollfd waiting{out[0], POLLIN, 0};
    const int ready = left.count() > 0 ? poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    char piece[4096];
    const ssize_t more = ready > 0 ? read(out[0], piece, sizeof piece) : 0;
    if (ready <= 0) kill(child, SIGKILL);
    if (ready <= 0) ended.status = -1;
    if (more <= 0) break;
    if (ended.told.size() < kMostTold) ended.told.append(piece, static_cast<size_t>(more));
  }
  close(out[0]);
  int how = 0;
  while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
  }
  if (ended.status == 0) ended.status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
  return ended;
}
