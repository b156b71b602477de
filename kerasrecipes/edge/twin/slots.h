// Two places for models, one of which answers; the same files and rules as in device.py.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "sql.h"

// The SHA-256 of a text, in hexadecimal digits.
std::string Sha256(const std::string& content);

// Whether a device takes part in a release to some of all; more percent only add to it.
bool IsChosen(const std::string& device, const std::string& release, double percent);

// Why a model is not to be believed; nothing if what states its files is signed by a key, Ed25519 or
// ECDSA, in PEM.
std::string Distrusted(const std::string& content, const std::string& signature,
                       const std::string& pem);

// All of a file, 1 GiB at most. Throws std::runtime_error.
std::string ReadFile(const std::filesystem::path& path);

// All of them throw std::exception where the disk or a file fails.
class Slots {
 public:
  // `prove` says of a slot what is wrong with its model; nothing if nothing is.
  using Prove = std::function<std::string(const std::filesystem::path&)>;
  Slots(std::filesystem::path root, Prove prove) : root_(std::move(root)), prove_(std::move(prove)) {}

  // The slot that answers; a model that does not prove itself gives way.
  std::filesystem::path Start();
  // Take a new model into the slot that does not answer, and let it answer. Says what was done.
  // It must be signed by the key, a public one in PEM, unless that is empty.
  std::string Update(const std::filesystem::path& source, const std::string& device,
                     const std::string& key);
  // The slot that answers in place of one whose files are no longer what they were; nothing if
  // those of the slot that answers are whole.
  std::filesystem::path Damaged();
  // Which slot answers, whether its model has proven itself, and how often it began.
  Json State();

 private:
  std::filesystem::path StartAlone();
  std::string UpdateAlone(const std::filesystem::path& source, const Json& facts,
                          const std::string& signature, const std::string& device);
  std::filesystem::path Folder(const std::string& slot) const { return root_ / "slots" / slot; }
  void Write(const std::string& slot, bool proven, int64_t starts, const std::string& fallback,
             const std::string& refused);

  std::filesystem::path root_;
  Prove prove_;
};
