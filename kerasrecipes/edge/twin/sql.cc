#include "sql.h"

#include <cstdio>
#include <cstdlib>

namespace {

Sql& Memory() {
  static Sql memory(":memory:");
  return memory;
}

}  // namespace

Sql::Sql(const std::string& path) {
  const int code = sqlite3_open(path.c_str(), &connection_);
  if (code != SQLITE_OK) {
    const SqlError error(code, path + ": " + sqlite3_errmsg(connection_));
    sqlite3_close(connection_);
    throw error;
  }
  sqlite3_busy_timeout(connection_, 30'000);
}

void Sql::Check(int code) const {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
    throw SqlError(code, sqlite3_errmsg(connection_));
  }
}

Sql::Statement::Statement(Sql& sql, const std::string& text) : sql_(sql) {
  sql_.Check(sqlite3_prepare_v2(sql_.connection_, text.c_str(), -1, &prepared_, nullptr));
}

void Sql::Statement::Bind(int place, const std::string& value) {
  sql_.Check(sqlite3_bind_text(prepared_, place, value.data(), static_cast<int>(value.size()),
                               SQLITE_TRANSIENT));
}

void Sql::Statement::Bind(int place, int64_t value) {
  sql_.Check(sqlite3_bind_int64(prepared_, place, value));
}

std::vector<Row> Sql::Statement::Rows() {
  std::vector<Row> rows;
  int code = sqlite3_step(prepared_);
  for (; code == SQLITE_ROW; code = sqlite3_step(prepared_)) {
    Row& row = rows.emplace_back();
    for (int i = 0; i < sqlite3_column_count(prepared_); ++i) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(prepared_, i));
      row.emplace_back(text ? std::string(text, sqlite3_column_bytes(prepared_, i)) : "");
    }
  }
  sql_.Check(code);
  return rows;
}

Json::Json(std::string text) : text_(std::move(text)) {
  if (Memory().Number("SELECT json_valid(?)", text_) != 1) throw SqlError(SQLITE_ERROR, "no JSON");
}

std::string Json::Text(const std::string& path) const {
  return Memory().Run("SELECT json_extract(?, ?)", text_, path)[0][0];
}

std::string Json::Type(const std::string& path) const {
  return Memory().Run("SELECT json_type(?, ?)", text_, path)[0][0];
}

double Json::Number(const std::string& path) const {
  const std::string type = Type(path);
  if (type != "integer" && type != "real") throw std::runtime_error(path + " is no number");
  // As it is written: sqlite's own numbers have 15 digits as texts.
  return std::strtod(Memory().Run("SELECT ? -> ?", text_, path)[0][0].c_str(), nullptr);
}

std::vector<double> Json::Numbers(const std::string& path) const {
  std::vector<double> found;
  for (int64_t i = 0; i < Memory().Number("SELECT json_array_length(?, ?)", text_, path); ++i) {
    found.push_back(Number(path + "[" + std::to_string(i) + "]"));
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> Json::Texts(const std::string& path) const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const Row& row : Memory().Run("SELECT key, value FROM json_each(?, ?)", text_, path)) {
    found.emplace_back(row[0], row[1]);
  }
  return found;
}

JsonObject& JsonObject::AddJson(const std::string& name, const std::string& json) {
  inside_ += (inside_.empty() ? "\"" : ", \"") + name + "\": " + json;
  return *this;
}

JsonObject& JsonObject::Add(const std::string& name, const std::string& text) {
  return AddJson(name, Memory().Run("SELECT json_quote(?)", text)[0][0]);
}

JsonObject& JsonObject::Add(const std::string& name, double number) {
  return AddJson(name, NumberText(number));
}

std::string NumberText(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", number);
  return text;
}
