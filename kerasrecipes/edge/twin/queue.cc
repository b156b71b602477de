#include "queue.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace {

constexpr int64_t kBatch = 200;
// A receiver takes 8 MiB at once; a line may come on top.
constexpr int64_t kMostDoubted = 1000;
constexpr size_t kBatchSigns = 4 << 20;

// From such a share of a full queue on, one answer in so many is kept, and stands for all of them.
constexpr struct {
  double share;
  int64_t one_in;
} kSampling[] = {{0.9, 8}, {0.75, 4}, {0.5, 2}, {0.0, 1}};

}  // namespace

Queue::Queue(const std::string& path, int64_t most)
    : path_(path), most_(most), sql_(std::make_unique<Sql>(path)) {
  if (most_ < 1) throw std::runtime_error("most_waiting must be 1 or more");
  Whole([this] { Begin(); });
}

void Queue::Begin() {
  sql_->Run("PRAGMA journal_mode = WAL");
  sql_->Run("PRAGMA synchronous = FULL");
  Changing([&] {
    sql_->Run(
        "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, "
        "entry TEXT NOT NULL, stands_for INTEGER NOT NULL)");
    sql_->Run("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)");
    // Dropped after they were sent, before it was known whether they arrived.
    sql_->Run(
        "CREATE TABLE IF NOT EXISTS doubted "
        "(number INTEGER PRIMARY KEY, stands_for INTEGER NOT NULL)");
    // A queue that was lost and begun anew counts from 1 again: it is another one.
    sql_->Run("INSERT OR IGNORE INTO about VALUES ('id', lower(hex(randomblob(16))))");
  });
}

void Queue::Whole(const std::function<void()>& act) {
  try {
    return act();
  } catch (const SqlError& error) {
    if (error.code != SQLITE_NOTADB && error.code != SQLITE_CORRUPT) throw;
    std::fprintf(stderr, "%s is set aside, and begun anew: %s\n", path_.c_str(), error.what());
  }
  sql_.reset();
  for (const char* end : {"-wal", "-shm", ""}) {
    std::rename((path_ + end).c_str(), (path_ + ".damaged" + end).c_str());
  }
  sql_ = std::make_unique<Sql>(path_);
  Begin();
  act();
}

void Queue::Changing(const std::function<void()>& change) {
  sql_->Run("BEGIN IMMEDIATE");
  try {
    change();
    sql_->Run("COMMIT");
  } catch (...) {
    try {
      sql_->Run("ROLLBACK");
    } catch (const SqlError&) {
      // A full disk has rolled it back already.
    }
    throw;
  }
}

std::string Queue::About(const std::string& name) {
  const std::vector<Row> rows = sql_->Run("SELECT value FROM about WHERE name = ?", name);
  return rows.empty() ? "0" : rows[0][0];
}

int64_t Queue::Waiting() {
  return sql_->Number("SELECT sum(stands_for) FROM waiting") + std::stoll(About("skipped"));
}

std::string Queue::Sparing() {
  std::string found;
  Whole([&] { found = About("sparing"); });
  return found;
}

void Queue::Put(const JsonObject& entry, const std::string& sparing) {
  Whole([&] { PutOnce(entry, sparing); });
}

void Queue::PutOnce(const JsonObject& entry, const std::string& sparing) {
  Changing([&] {
    if (!sparing.empty()) sql_->Run("REPLACE INTO about VALUES ('sparing', ?)", sparing);
    const double fill =
        static_cast<double>(sql_->Number("SELECT count(*) FROM waiting")) / static_cast<double>(most_);
    const int64_t skipped = std::stoll(About("skipped")) + 1;
    const auto* step = kSampling;
    while (fill < step->share) ++step;
    if (skipped < step->one_in) {
      sql_->Run("REPLACE INTO about VALUES ('skipped', ?)", std::to_string(skipped));
      return;
    }
    sql_->Run("REPLACE INTO about VALUES ('skipped', '0')");
    sql_->Run("INSERT INTO waiting (entry, stands_for) VALUES (?, ?)",
             JsonObject(entry).Add("stands_for", skipped).Text(), skipped);
    const std::string oldest = "(SELECT number FROM waiting ORDER BY number DESC LIMIT -1 OFFSET ?)";
    const std::vector<Row> gone =
        sql_->Run("SELECT number, stands_for FROM waiting WHERE number IN " + oldest, most_);
    sql_->Run("DELETE FROM waiting WHERE number IN " + oldest, most_);
    const int64_t sent = std::stoll(About("sent"));
    int64_t room = kMostDoubted - sql_->Number("SELECT count(*) FROM doubted"), dropped = Dropped();
    for (const Row& row : gone) {
      const int64_t number = std::stoll(row[0]), many = std::stoll(row[1]);
      if (number > sent || room-- <= 0) dropped += many;
      else sql_->Run("INSERT INTO doubted VALUES (?, ?)", number, many);
    }
    if (!gone.empty()) {
      sql_->Run("REPLACE INTO about VALUES ('dropped', ?)", std::to_string(dropped));
    }
  });
}

Queue::Batch Queue::Oldest(const std::string& device) {
  Batch batch;
  Changing([&] {
    std::string lines;
    const char* oldest = "SELECT number, entry FROM waiting ORDER BY number LIMIT ?";
    for (const Row& row : sql_->Run(oldest, kBatch)) {
      lines += (lines.empty() ? "[" : ", [") + row[0] + ", " + row[1] + "]";
      batch.numbers.push_back(std::stoll(row[0]));
      if (lines.size() > kBatchSigns) break;
    }
    std::string doubted;
    for (const Row& row : sql_->Run("SELECT number, stands_for FROM doubted ORDER BY number")) {
      doubted += (doubted.empty() ? "[" : ", [") + row[0] + ", " + row[1] + "]";
    }
    // It may arrive from now on, whatever comes of it.
    if (!batch.numbers.empty() && batch.numbers.back() > std::stoll(About("sent"))) {
      sql_->Run("REPLACE INTO about VALUES ('sent', ?)", std::to_string(batch.numbers.back()));
    }
    batch.text = JsonObject()
                     .Add("device", device)
                     .Add("queue", About("id"))
                     .Add("dropped", Dropped())
                     .AddJson("doubted", "[" + doubted + "]")
                     .AddJson("lines", "[" + lines + "]")
                     .Text();
  });
  return batch;
}

void Queue::Acknowledged(int64_t last) {
  Changing([&] {
    sql_->Run("DELETE FROM waiting WHERE number <= ?", last);
    sql_->Run("DELETE FROM doubted WHERE number <= ?", last);
  });
}

int64_t Queue::Drain(const std::string& device,
                     const std::function<std::string(std::string)>& post) {
  int64_t sent = 0;
  Batch batch;
  const auto read = [&] { batch = Oldest(device); };
  for (Whole(read); !batch.numbers.empty(); Whole(read)) {
    const auto took = static_cast<int64_t>(Json(post(batch.text)).Number("$.last"));
    const int64_t last = std::min(took, batch.numbers.back());
    if (last < batch.numbers.front()) {
      throw std::runtime_error("the receiver did not take what it was sent");
    }
    Acknowledged(last);
    sent += std::count_if(batch.numbers.begin(), batch.numbers.end(),
                          [last](int64_t number) { return number <= last; });
  }
  return sent;
}
