// Owns the other way to cross from Node into native code: four calls through node-addon-api, the twins of those in
// native/crates/binding. Only bench/micro/crossing.mjs loads it, as evidence for the choice of napi-rs.
#include <napi.h>

#include <cstring>

static void Nothing(const Napi::CallbackInfo&) {}

static Napi::Value AddNumbers(const Napi::CallbackInfo& info) {
  double sum = info[0].As<Napi::Number>().DoubleValue() + info[1].As<Napi::Number>().DoubleValue();
  return Napi::Number::New(info.Env(), sum);
}

static Napi::Value SumBytes(const Napi::CallbackInfo& info) {
  auto bytes = info[0].As<Napi::Buffer<uint8_t>>();
  const uint8_t* data = bytes.Data();
  uint64_t sum = 0;
  for (size_t at = 0; at < bytes.Length(); at += 1) sum += data[at];
  return Napi::Number::New(info.Env(), static_cast<double>(sum));
}

static Napi::Value EchoBatch(const Napi::CallbackInfo& info) {
  auto bytes = info[0].As<Napi::Buffer<uint8_t>>();
  return Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.Data(), bytes.Length());
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("nothing", Napi::Function::New(env, Nothing));
  exports.Set("addNumbers", Napi::Function::New(env, AddNumbers));
  exports.Set("sumBytes", Napi::Function::New(env, SumBytes));
  exports.Set("echoBatch", Napi::Function::New(env, EchoBatch));
  return exports;
}

NODE_API_MODULE(crossing, Init)
