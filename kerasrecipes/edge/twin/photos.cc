#include "photos.h"

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

#ifdef WITH_JPEG
#include <jpeglib.h>
// Needs what comes with jpeglib.h.
#include <jerror.h>
#endif
#ifdef WITH_PNG
#include <png.h>
#endif

#include "slots.h"

namespace {

#if defined(WITH_JPEG) || defined(WITH_PNG)

// As Pillow has it. A small file may say that it has any size.
constexpr uint64_t kMostPixels = 178'956'970;

void CheckSize(uint64_t width, uint64_t height) {
  if (width == 0 || height == 0 || width * height > kMostPixels) {
    throw std::runtime_error("it has " + std::to_string(width) + " x " + std::to_string(height) +
                             " pixels");
  }
}

// The orientation that Exif data tells, 1 to 8; 1 where it tells none.
int Orientation(const uint8_t* data, size_t size) {
  if (size < 8) return 1;
  const bool little = data[0] == 'I';
  const auto number = [&](size_t at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      value |= static_cast<uint64_t>(data[at + i]) << 8 * (little ? i : bytes - 1 - i);
    }
    return value;
  };
  if (std::memcmp(data, little ? "II*\0" : "MM\0*", 4) != 0) return 1;
  const uint64_t begin = number(4, 4);
  if (begin + 2 > size) return 1;
  const uint64_t count = number(begin, 2);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t entry = begin + 2 + 12 * i;
    if (entry + 12 > size) return 1;
    if (number(entry, 2) != 0x0112) continue;
    const uint64_t found = number(entry + 8, 2);
    return number(entry + 2, 2) == 3 && found >= 1 && found <= 8 ? static_cast<int>(found) : 1;
  }
  return 1;
}

// Turn a photo so that what was up is up again.
Photo Upright(const Photo& photo, int orientation) {
  if (orientation == 1) return photo;
  const bool on_its_side = orientation >= 5;
  Photo result{on_its_side ? photo.width : photo.height, on_its_side ? photo.height : photo.width,
               std::vector<uint8_t>(photo.pixels.size())};
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      int column = on_its_side ? y : x, row = on_its_side ? x : y;
      if (from_right) column = photo.width - 1 - column;
      if (from_below) row = photo.height - 1 - row;
      std::memcpy(&result.pixels[3 * (1ull * y * result.width + x)],
                  &photo.pixels[3 * (1ull * row * photo.width + column)], 3);
    }
  }
  return result;
}

#endif

#ifdef WITH_JPEG

// libjpeg's errors end a jump, since no exception may pass through its frames.
struct JpegErrors : jpeg_error_mgr {
  std::jmp_buf jump;
  char told[JMSG_LENGTH_MAX] = "";
};

// A file of a few kB may have thousands of scans, each of which takes as long as a whole photo.
constexpr int kMostScans = 500;

[[noreturn]] void EndJpeg(j_common_ptr common) {
  auto* errors = static_cast<JpegErrors*>(common->err);
  errors->format_message(common, errors->told);
  std::longjmp(errors->jump, 1);
}

void HeedWarning(j_common_ptr common, int level) {
  if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF) EndJpeg(common);
}

void HeedScans(j_common_ptr common) {
  if (reinterpret_cast<j_decompress_ptr>(common)->input_scan_number <= kMostScans) return;
  auto* errors = static_cast<JpegErrors*>(common->err);
  std::snprintf(errors->told, sizeof errors->told, "it has more than %d scans", kMostScans);
  std::longjmp(errors->jump, 1);
}

// Between the jumps, nothing lives here that would have to be destroyed.
struct JpegReader {
  jpeg_decompress_struct state{};
  JpegErrors errors;
  jpeg_progress_mgr progress{};

  JpegReader() {
    state.err = jpeg_std_error(&errors);
    errors.error_exit = EndJpeg;
    errors.emit_message = HeedWarning;
    progress.progress_monitor = HeedScans;
  }
  ~JpegReader() { jpeg_destroy_decompress(&state); }

  bool Begin(const std::string& content) {
    if (setjmp(errors.jump)) return false;
    jpeg_create_decompress(&state);
    state.progress = &progress;
    jpeg_mem_src(&state, reinterpret_cast<const unsigned char*>(content.data()), content.size());
    jpeg_save_markers(&state, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&state, TRUE);
    return true;
  }
  bool Read(uint8_t* pixels) {
    if (setjmp(errors.jump)) return false;
    state.out_color_space = JCS_RGB;
    jpeg_start_decompress(&state);
    while (state.output_scanline < state.output_height) {
      JSAMPROW row = pixels + 3ull * state.output_width * state.output_scanline;
      jpeg_read_scanlines(&state, &row, 1);
    }
    return true;
  }
};

Photo ReadJpeg(const std::string& content) {
  JpegReader reader;
  if (!reader.Begin(content)) throw std::runtime_error(reader.errors.told);
  const jpeg_decompress_struct& state = reader.state;
  CheckSize(state.image_width, state.image_height);
  if (state.jpeg_color_space == JCS_CMYK || state.jpeg_color_space == JCS_YCCK) {
    throw std::runtime_error("its colours are those of print (CMYK)");
  }
  int orientation = 1;
  for (const jpeg_marker_struct* one = state.marker_list; one != nullptr; one = one->next) {
    if (one->data_length < 6 || std::memcmp(one->data, "Exif\0", 6) != 0) continue;
    orientation = Orientation(one->data + 6, one->data_length - 6);
    break;
  }
  Photo photo{static_cast<int>(state.image_height), static_cast<int>(state.image_width), {}};
  photo.pixels.resize(3ull * photo.height * photo.width);
  if (!reader.Read(photo.pixels.data())) throw std::runtime_error(reader.errors.told);
  return Upright(photo, orientation);
}

#endif

#ifdef WITH_PNG

struct PngReader {
  png_structp state = nullptr;
  png_infop info = nullptr;
  const std::string& content;
  size_t done = 0;
  char told[128] = "it cannot be read";

  explicit PngReader(const std::string& content) : content(content) {
    const auto fail = [](png_structp png, png_const_charp what) {
      auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
      std::snprintf(self->told, sizeof self->told, "%s", what);
      png_longjmp(png, 1);
    };
    const auto warn = [](png_structp, png_const_charp) {};
    state = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, warn);
    info = state == nullptr ? nullptr : png_create_info_struct(state);
    if (info == nullptr) throw std::runtime_error("libpng cannot begin");
  }
  ~PngReader() { png_destroy_read_struct(&state, &info, nullptr); }

  static void Give(png_structp png, png_bytep to, size_t size) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > self->content.size() - self->done) png_error(png, "it ends too early");
    std::memcpy(to, self->content.data() + self->done, size);
    self->done += size;
  }

  bool Begin() {
    if (setjmp(png_jmpbuf(state))) return false;
    png_set_read_fn(state, this, Give);
    png_read_info(state, info);
    return true;
  }
  // Eight bits for each of red, green, blue and alpha.
  bool Read(png_bytepp rows) {
    if (setjmp(png_jmpbuf(state))) return false;
    png_set_expand(state);
    png_set_strip_16(state);
    png_set_gray_to_rgb(state);
    png_set_add_alpha(state, 255, PNG_FILLER_AFTER);
    png_set_interlace_handling(state);
    png_read_update_info(state, info);
    png_read_image(state, rows);
    png_read_end(state, info);
    return true;
  }
};

Photo ReadPng(const std::string& content, const std::vector<double>& background) {
  PngReader reader(content);
  if (!reader.Begin()) throw std::runtime_error(reader.told);
  const uint64_t width = png_get_image_width(reader.state, reader.info);
  const uint64_t height = png_get_image_height(reader.state, reader.info);
  CheckSize(width, height);
  const bool grey = png_get_color_type(reader.state, reader.info) == PNG_COLOR_TYPE_GRAY;
  if (grey && png_get_bit_depth(reader.state, reader.info) == 16) {
    throw std::runtime_error("it has more than 8 bits per colour");
  }
  std::vector<uint8_t> pixels(4 * width * height);
  std::vector<png_bytep> rows(height);
  for (uint64_t y = 0; y < height; ++y) rows[y] = &pixels[4 * width * y];
  if (!reader.Read(rows.data())) throw std::runtime_error(reader.told);
  int orientation = 1;
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(reader.state, reader.info, &size, &exif) != 0) {
    orientation = Orientation(exif, size);
  }
#endif
  Photo photo{static_cast<int>(height), static_cast<int>(width), {}};
  photo.pixels.resize(3 * width * height);
  for (uint64_t i = 0; i < width * height; ++i) {
    const uint32_t alpha = pixels[4 * i + 3];
    for (int channel = 0; channel < 3; ++channel) {
      const auto below = static_cast<uint32_t>(background.at(channel));
      const uint32_t mixed = pixels[4 * i + channel] * alpha + below * (255 - alpha);
      photo.pixels[3 * i + channel] = static_cast<uint8_t>((mixed + 127) / 255);
    }
  }
  return Upright(photo, orientation);
}

#endif

}  // namespace

Photo ReadPhoto(const std::string& path, [[maybe_unused]] const std::vector<double>& background) {
  std::string first(8, '\0');
  if (std::FILE* file = std::fopen(path.c_str(), "rb")) {
    first.resize(std::fread(first.data(), 1, first.size(), file));
    std::fclose(file);
  }
  const bool jpeg = first.rfind("\xFF\xD8", 0) == 0, png = first == "\x89PNG\r\n\x1A\n";
  try {
    if (jpeg) {
#ifdef WITH_JPEG
      return ReadJpeg(ReadFile(path));
#else
      throw std::runtime_error("it is JPEG, and this program was built without libjpeg");
#endif
    }
    if (png) {
#ifdef WITH_PNG
      return ReadPng(ReadFile(path), background);
#else
      throw std::runtime_error("it is PNG, and this program was built without libpng");
#endif
    }
  } catch (const std::runtime_error& error) {
    throw std::runtime_error("'" + path + "' cannot be read: " + error.what());
  }
  return ReadPpm(path);
}
