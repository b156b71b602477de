#include "text_classifier.h"

#include <cstring>
#include <stdexcept>

#include "litert/c/litert_common.h"
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"

namespace {

void Check(LiteRtStatus status, const char* step) {
  if (status != kLiteRtStatusOk) {
    throw std::runtime_error(std::string("LiteRT: ") + step + " failed with status " +
                             std::to_string(static_cast<int>(status)));
  }
}

// What a text becomes, in the order in which it is made below.
constexpr const char* kInputs[] = {"ids", "mask", "segment_ids"};
constexpr int kCount = 3;

struct Buffer {
  LiteRtTensorBuffer handle = nullptr;
  ~Buffer() {
    if (handle) LiteRtDestroyTensorBuffer(handle);
  }
};

}  // namespace

struct TextClassifier::Runtime {
  LiteRtEnvironment environment = nullptr;
  LiteRtModel model = nullptr;
  LiteRtOptions options = nullptr;
  LiteRtCompiledModel compiled = nullptr;
  // Of the inputs, in the order of the file: which of kInputs each is.
  int kinds[kCount] = {};
  LiteRtRankedTensorType types[kCount];
  LiteRtRankedTensorType answer;

  ~Runtime() {
    if (compiled) LiteRtDestroyCompiledModel(compiled);
    if (options) LiteRtDestroyOptions(options);
    if (model) LiteRtDestroyModel(model);
    if (environment) LiteRtDestroyEnvironment(environment);
  }
};

TextClassifier::TextClassifier(const std::string& model_path, int numbers)
    : numbers_(numbers), runtime_(std::make_unique<Runtime>()) {
  Runtime& r = *runtime_;
  Check(LiteRtCreateEnvironment(0, nullptr, &r.environment), "starting");
  Check(LiteRtCreateModelFromFile(r.environment, model_path.c_str(), &r.model), "opening the file");
  Check(LiteRtCreateOptions(&r.options), "making options");
  Check(LiteRtSetOptionsHardwareAccelerators(r.options, kLiteRtHwAcceleratorCpu),
        "choosing the CPU");
  Check(LiteRtCreateCompiledModel(r.environment, r.model, r.options, &r.compiled), "compiling");

  LiteRtSignature signature = nullptr;
  LiteRtParamIndex inputs = 0, outputs = 0;
  LiteRtTensor tensor = nullptr;
  Check(LiteRtGetModelSignature(r.model, 0, &signature), "reading the signature");
  Check(LiteRtGetNumSignatureInputs(signature, &inputs), "counting inputs");
  Check(LiteRtGetNumSignatureOutputs(signature, &outputs), "counting outputs");
  int known = 0;
  for (LiteRtParamIndex i = 0; i < inputs && inputs == kCount; ++i) {
    const char* name = nullptr;
    Check(LiteRtGetSignatureInputName(signature, i, &name), "reading an input's name");
    for (int kind = 0; kind < kCount; ++kind) {
      if (std::strcmp(name, kInputs[kind]) == 0) r.kinds[i] = kind, known |= 1 << kind;
    }
    Check(LiteRtGetSignatureInputTensor(signature, name, &tensor), "finding an input");
    Check(LiteRtGetRankedTensorType(tensor, &r.types[i]), "reading an input's type");
  }
  if (known != (1 << kCount) - 1 || outputs != 1) {
    throw std::runtime_error("'" + model_path + "' is not the model this code was made for.");
  }
  Check(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor), "finding the output");
  Check(LiteRtGetRankedTensorType(tensor, &r.answer), "reading the output's type");
}

TextClassifier::~TextClassifier() = default;

std::vector<float> TextClassifier::Classify(const std::vector<int32_t>& ids) {
  Runtime& r = *runtime_;
  const std::vector<int32_t> given[kCount] = {ids, std::vector<int32_t>(ids.size(), 1),
                                              std::vector<int32_t>(ids.size(), 0)};
  const int shape[] = {1, static_cast<int>(ids.size())};
  for (int i = 0; i < kCount; ++i) {
    Check(LiteRtCompiledModelResizeInputTensor(r.compiled, 0, i, shape, 2), "resizing an input");
  }
  Buffer buffers[kCount], answer;
  LiteRtTensorBuffer inputs[kCount];
  LiteRtTensorBufferRequirements needs = nullptr;
  void* memory = nullptr;
  for (int i = 0; i < kCount; ++i) {
    LiteRtRankedTensorType type = r.types[i];
    type.layout.dimensions[1] = shape[1];
    Check(LiteRtGetCompiledModelInputBufferRequirements(r.compiled, 0, i, &needs), "asking for needs");
    Check(LiteRtCreateManagedTensorBufferFromRequirements(r.environment, &type, needs, &buffers[i].handle),
          "making an input");
    inputs[i] = buffers[i].handle;
    Check(LiteRtLockTensorBuffer(inputs[i], &memory, kLiteRtTensorBufferLockModeWrite), "writing");
    std::memcpy(memory, given[r.kinds[i]].data(), ids.size() * sizeof(int32_t));
    Check(LiteRtUnlockTensorBuffer(inputs[i]), "writing");
  }
  Check(LiteRtGetCompiledModelOutputBufferRequirements(r.compiled, 0, 0, &needs), "asking for needs");
  Check(LiteRtCreateManagedTensorBufferFromRequirements(r.environment, &r.answer, needs, &answer.handle),
        "making the output");
  size_t bytes = 0;
  Check(LiteRtGetTensorBufferPackedSize(answer.handle, &bytes), "measuring the output");
  if (bytes != numbers_ * sizeof(float)) {
    throw std::runtime_error("The file gives another number of scores than this code was made for.");
  }
  Check(LiteRtRunCompiledModel(r.compiled, 0, kCount, inputs, 1, &answer.handle), "running");
  std::vector<float> scores(numbers_);
  Check(LiteRtLockTensorBuffer(answer.handle, &memory, kLiteRtTensorBufferLockModeRead), "reading");
  std::memcpy(scores.data(), memory, bytes);
  Check(LiteRtUnlockTensorBuffer(answer.handle), "reading");
  return scores;
}
