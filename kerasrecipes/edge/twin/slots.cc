#include "slots.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <system_error>

namespace fs = std::filesystem;

namespace {

// A new model that did not get through so many starts gives way to the old one.
constexpr int64_t kMostStarts = 2;
constexpr char kSignature[] = "model.sig";
constexpr uintmax_t kLargestFile = 1 << 30;

[[noreturn]] void Fail(const fs::path& path) {
  throw std::system_error(errno, std::generic_category(), path.string());
}

// Force a file or a folder onto the disk.
void Sync(const fs::path& path) {
  const int file = open(path.c_str(), O_RDONLY);
  if (file < 0) Fail(path);
  const int done = fsync(file);
  close(file);
  if (done != 0) Fail(path);
}

void WriteFile(const fs::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  if (!file) throw std::runtime_error(path.string() + " cannot be written");
  Sync(path);
}

// Keeps other processes of this device waiting, also device.py.
class Alone {
 public:
  explicit Alone(const fs::path& root) : folder_(open(root.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (folder_ < 0 || flock(folder_, LOCK_EX) != 0) Fail(root);
  }
  ~Alone() { close(folder_); }
  Alone(const Alone&) = delete;

 private:
  int folder_;
};

// Which file of a slot is not what its model states; nothing if all are.
std::string ChangedIn(const fs::path& slot) {
  try {
    for (const auto& [name, digest] : Json(ReadFile(slot / "model.json")).Texts("$.files")) {
      if (Sha256(ReadFile(slot / name)) != digest) {
        return "'" + name + "' is not what the model states";
      }
    }
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// Copy what a model states, each file if it has its digest, and nothing else.
void CopyChecked(const fs::path& source, const fs::path& to, const Json& facts) {
  fs::create_directories(to);
  WriteFile(to / "model.json", facts.Whole());
  for (const auto& [name, digest] : facts.Texts("$.files")) {
    const bool outside = fs::path(name).is_absolute();
    if (outside || fs::canonical(source / name) != fs::canonical(source) / name) {
      throw std::runtime_error("'" + name + "' leads elsewhere");
    }
    const std::string content = ReadFile(source / name);
    if (Sha256(content) != digest) {
      throw std::runtime_error("'" + name + "' is not what the model states");
    }
    fs::create_directories((to / name).parent_path());
    WriteFile(to / name, content);
    Sync((to / name).parent_path());
  }
  Sync(to);
}

}  // namespace

std::string Sha256(const std::string& content) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(content.data(), content.size(), digest, &size, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("no SHA-256 could be made");
  }
  std::string digits;
  char two[3];
  for (unsigned i = 0; i < size; ++i) {
    std::snprintf(two, sizeof two, "%02x", digest[i]);
    digits += two;
  }
  return digits;
}

bool IsChosen(const std::string& device, const std::string& release, double percent) {
  const std::string digits = Sha256(release + "\n" + device).substr(0, 8);
  return static_cast<double>(std::stoul(digits, nullptr, 16)) / 4294967296.0 < percent / 100;
}

std::string Distrusted(const std::string& content, const std::string& signature,
                       const std::string& pem) {
  if (signature.empty()) {
    return std::string("it has no ") + kSignature + ", and this device takes signed models alone";
  }
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!key) return "the key of this device is none in PEM";
  const int kind = EVP_PKEY_base_id(key.get());
  if (kind != EVP_PKEY_ED25519 && kind != EVP_PKEY_EC) {
    return "the key of this device is of another kind than Ed25519 and ECDSA";
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> check(EVP_MD_CTX_new(),
                                                                      EVP_MD_CTX_free);
  const EVP_MD* digest = kind == EVP_PKEY_EC ? EVP_sha256() : nullptr;
  const auto bytes = [](const std::string& of) {
    return reinterpret_cast<const unsigned char*>(of.data());
  };
  const bool same =
      EVP_DigestVerifyInit(check.get(), nullptr, digest, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(check.get(), bytes(signature), signature.size(), bytes(content),
                       content.size()) == 1;
  return same ? "" : "it is not signed by the key of this device";
}

std::string ReadFile(const fs::path& path) {
  if (!fs::is_regular_file(path) || fs::file_size(path) > kLargestFile) {
    throw std::runtime_error("'" + path.string() + "' is no file, or too large");
  }
  std::ifstream file(path, std::ios::binary);
  std::string content(fs::file_size(path), '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file) throw std::runtime_error("'" + path.string() + "' cannot be read");
  return content;
}

void Slots::Write(const std::string& slot, bool proven, int64_t starts,
                  const std::string& fallback, const std::string& refused) {
  JsonObject state;
  state.Add("slot", slot).Add("proven", proven).Add("starts", starts);
  fallback.empty() ? state.AddJson("fallback", "null") : state.Add("fallback", fallback);
  if (!refused.empty()) state.Add("refused", refused);
  // Whole, or as it was, also after a power cut.
  WriteFile(root_ / "state.new", state.Text());
  fs::rename(root_ / "state.new", root_ / "state.json");
  Sync(root_);
}

Json Slots::State() {
  const auto made = [](const std::string& slot, const std::string& fallback) {
    JsonObject state;
    state.Add("slot", slot).Add("proven", false).Add("starts", int64_t{0});
    return Json(state.AddJson("fallback", fallback.empty() ? "null" : '"' + fallback + '"').Text());
  };
  if (!fs::exists(root_ / "state.json")) return made("a", "");
  try {
    Json found(ReadFile(root_ / "state.json"));
    const auto is_slot = [&](const char* path) {
      return found.Text(path) == "a" || found.Text(path) == "b";
    };
    const std::string proven = found.Type("$.proven"), fallback = found.Type("$.fallback");
    if (is_slot("$.slot") && (fallback == "null" || is_slot("$.fallback")) &&
        (proven == "true" || proven == "false") && found.Type("$.starts") == "integer") {
      return found;
    }
  } catch (const std::runtime_error&) {
  }
  std::fprintf(stderr, "state.json is damaged: the newest model proves itself anew\n");
  const fs::path a = Folder("a") / "model.json", b = Folder("b") / "model.json";
  if (!fs::exists(b)) return made("a", "");
  if (!fs::exists(a)) return made("b", "");
  return fs::last_write_time(a) >= fs::last_write_time(b) ? made("a", "b") : made("b", "a");
}

fs::path Slots::Start() {
  const Json state = State();
  if (state.Type("$.proven") == "true") return Folder(state.Text("$.slot"));
  const Alone alone(root_);
  return StartAlone();
}

fs::path Slots::StartAlone() {
  const Json state = State();
  const std::string slot = state.Text("$.slot"), back = state.Text("$.fallback");
  if (state.Type("$.proven") == "true") return Folder(slot);
  const auto starts = static_cast<int64_t>(state.Number("$.starts")) + 1;
  // Written before the model is opened: it may end this process, or the whole device.
  try {
    Write(slot, false, starts, back, state.Text("$.refused"));
  } catch (const std::exception& error) {
    // Nobody would know of a start that ends the device: until then the old model answers.
    std::fprintf(stderr, "state.json cannot be written: %s\n", error.what());
    return Folder(back.empty() ? slot : back);
  }
  std::string wrong = starts > kMostStarts ? "it did not get through its starts" : "";
  if (wrong.empty()) wrong = prove_(Folder(slot));
  if (wrong.empty()) {
    Write(slot, true, starts, back, state.Text("$.refused"));
    return Folder(slot);
  }
  if (back.empty()) {
    throw std::runtime_error("the only model of this device cannot be used: " + wrong);
  }
  Write(back, true, 0, "", wrong);
  return Folder(back);
}

fs::path Slots::Damaged() {
  const Alone alone(root_);
  const Json state = State();
  const std::string wrong = ChangedIn(Folder(state.Text("$.slot"))), back = state.Text("$.fallback");
  if (wrong.empty()) return {};
  if (back.empty()) throw std::runtime_error("the only model of this device is damaged: " + wrong);
  // It proves itself anew: an update that was refused may have taken its place.
  Write(back, false, 0, "", wrong);
  return StartAlone();
}

std::string Slots::Update(const fs::path& source, const std::string& device,
                          const std::string& key) {
  const fs::path inner = source / "slots" / "a";
  const fs::path slot = fs::is_directory(inner) ? inner : source;
  const Json facts(ReadFile(slot / "model.json"));
  const std::string signature = fs::exists(slot / kSignature) ? ReadFile(slot / kSignature) : "";
  if (!key.empty()) {
    const std::string wrong = Distrusted(facts.Whole(), signature, key);
    if (!wrong.empty()) return "refused: " + wrong;
  }
  const Alone alone(root_);
  return UpdateAlone(slot, facts, signature, device);
}

std::string Slots::UpdateAlone(const fs::path& source, const Json& facts,
                               const std::string& signature, const std::string& device) {
  const fs::path now = StartAlone();
  if (ReadFile(now / "model.json") == facts.Whole()) return "this model answers already";
  const double percent = facts.Number("$.rollout_percent");
  if (!IsChosen(device, Sha256(facts.Whole()), percent)) {
    char text[80];
    std::snprintf(text, sizeof text, "not among the %g %% of devices that take it yet", percent);
    return text;
  }
  const std::string slot = now.filename() == "a" ? "b" : "a";
  const fs::path copy = root_ / "slots" / (slot + ".new");
  fs::remove_all(copy);
  try {
    CopyChecked(source, copy, facts);
    if (!signature.empty()) WriteFile(copy / kSignature, signature);
  } catch (...) {
    // What did not get through must not fill the disk.
    fs::remove_all(copy);
    throw;
  }
  fs::remove_all(Folder(slot));
  fs::rename(copy, Folder(slot));
  Sync(root_ / "slots");
  if (const std::string wrong = prove_(Folder(slot)); !wrong.empty()) return "refused: " + wrong;
  Write(slot, false, 0, now.filename().string(), "");
  return facts.Text("$.bundle") + " " + facts.Text("$.version") +
         " answers from now on, in slot " + slot;
}
