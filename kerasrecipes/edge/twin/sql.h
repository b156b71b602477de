// sqlite: it holds the queue, and reads and quotes JSON. 3.38 or newer.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct SqlError : std::runtime_error {
  SqlError(int code, const std::string& what) : std::runtime_error(what), code(code) {}
  int code;
};

// NULL is an empty text.
using Row = std::vector<std::string>;

class Sql {
 public:
  // Throws SqlError, as all that it does.
  explicit Sql(const std::string& path);
  ~Sql() { sqlite3_close(connection_); }
  Sql(const Sql&) = delete;

  // Run one statement, with values for its question marks.
  template <typename... Values>
  std::vector<Row> Run(const std::string& statement, const Values&... values) {
    Statement prepared(*this, statement);
    int place = 0;
    (prepared.Bind(++place, values), ...);
    return prepared.Rows();
  }

  // The first value of the first row as a number, or 0.
  template <typename... Values>
  int64_t Number(const std::string& statement, const Values&... values) {
    const std::vector<Row> rows = Run(statement, values...);
    return rows.empty() || rows[0][0].empty() ? 0 : std::stoll(rows[0][0]);
  }

 private:
  class Statement {
   public:
    Statement(Sql& sql, const std::string& text);
    ~Statement() { sqlite3_finalize(prepared_); }
    void Bind(int place, const std::string& value);
    void Bind(int place, int64_t value);
    std::vector<Row> Rows();

   private:
    Sql& sql_;
    sqlite3_stmt* prepared_ = nullptr;
  };

  void Check(int code) const;

  sqlite3* connection_ = nullptr;
};

// A text in JSON that was read. A path is one of sqlite's, e.g. "$.alarm.threshold".
class Json {
 public:
  // Throws SqlError if it is none.
  explicit Json(std::string text);

  // A text, a number or a truth value as it is written ("1", "0"); empty if it is null or missing.
  std::string Text(const std::string& path) const;
  // What kind of value there is, e.g. "integer", "true", "text"; empty if there is none.
  std::string Type(const std::string& path) const;
  // Throws std::runtime_error if there is no number.
  double Number(const std::string& path) const;
  std::vector<double> Numbers(const std::string& path) const;
  // Names and texts of an object.
  std::vector<std::pair<std::string, std::string>> Texts(const std::string& path) const;
  const std::string& Whole() const { return text_; }

 private:
  std::string text_;
};

// An object in JSON that is written.
class JsonObject {
 public:
  JsonObject& Add(const std::string& name, const std::string& text);
  JsonObject& Add(const std::string& name, const char* text) { return Add(name, std::string(text)); }
  JsonObject& Add(const std::string& name, double number);
  JsonObject& Add(const std::string& name, int64_t number) {
    return AddJson(name, std::to_string(number));
  }
  JsonObject& Add(const std::string& name, bool truth) {
    return AddJson(name, truth ? "true" : "false");
  }
  JsonObject& AddJson(const std::string& name, const std::string& json);
  std::string Text() const { return "{" + inside_ + "}"; }

 private:
  std::string inside_;
};

// A number so that it is read as the same one. It must be finite.
std::string NumberText(double number);
