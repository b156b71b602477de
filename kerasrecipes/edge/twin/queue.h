// What a device has to tell, in the same file and by the same rules as in device.py. A file that is
// damaged is set aside, and another begins.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sql.h"

class Queue {
 public:
  // It holds so many lines at most; the oldest make room. Throws std::runtime_error, as all.
  Queue(const std::string& path, int64_t most);

  // Queue an answer; where the queue fills, one in several, which stands for the others. What it
  // has returned from, no power cut loses. `sparing` is kept beside it, unless it is empty.
  void Put(const JsonObject& entry, const std::string& sparing = "");
  // What `Put` was told last of a smaller model.
  std::string Sparing();
  int64_t Waiting();
  // Dropped, and surely never arrived.
  int64_t Dropped() { return std::stoll(About("dropped")); }
  // Dropped, but may have arrived; the receiver knows, and counts.
  int64_t Doubted() { return sql_->Number("SELECT sum(stands_for) FROM doubted"); }

  // Send all that waits, and return how many lines that were. `post` sends a batch, and returns
  // what the receiver answered; it throws std::runtime_error if that fails.
  int64_t Drain(const std::string& device, const std::function<std::string(std::string)>& post);

 private:
  // The oldest lines as they are sent; they stay until they are acknowledged.
  struct Batch {
    std::string text;
    std::vector<int64_t> numbers;
  };

  void Begin();
  // Do something with the file, and once more where it had to be begun anew.
  void Whole(const std::function<void()>& act);
  void PutOnce(const JsonObject& entry, const std::string& sparing);
  Batch Oldest(const std::string& device);
  std::string About(const std::string& name);
  // Forget what the receiver has.
  void Acknowledged(int64_t last);
  void Changing(const std::function<void()>& change);

  std::string path_;
  int64_t most_;
  std::unique_ptr<Sql> sql_;
};
