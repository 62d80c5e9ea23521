// A device that does not exist: its memory is the processor's, and its operations are the processor's. But its tensors are tensors of another device
// to everything else, so that a tensor left on the wrong device is an error here, as it would be on a GPU.
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <ATen/ATen.h>
#include <torch/library.h>

using at::Tensor;
constexpr auto PRETEND = c10::DeviceType::PrivateUse1;

struct Guard : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return PRETEND; }
  c10::Device exchangeDevice(c10::Device) const override { return getDevice(); }
  c10::Device getDevice() const override { return {PRETEND, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, getDevice()); }
  c10::Stream getDefaultStream(c10::Device) const override { return getStream(getDevice()); }
  c10::Stream exchangeStream(c10::Stream) const override { return getStream(getDevice()); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  bool queryStream(const c10::Stream&) const override { return true; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

struct Memory : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    auto* kept = new c10::DataPtr(c10::GetCPUAllocator()->allocate(bytes));
    return {kept->get(), kept, [](void* p) { delete static_cast<c10::DataPtr*>(p); }, c10::Device(PRETEND, 0)};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};
static Memory memory;
REGISTER_ALLOCATOR(PRETEND, &memory)

struct Hooks : at::PrivateUse1HooksInterface {
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
};
static bool registered = (at::RegisterPrivateUse1HooksInterface(new Hooks()), true);

static bool ours(const Tensor& t) { return t.defined() && t.device().type() == PRETEND; }

static Tensor to_cpu(const Tensor& t) {  // the same memory, seen as the processor's
  if (!ours(t)) return t;
  if (t.numel() == 0) return at::empty_strided(t.sizes(), t.strides(), t.options().device(at::kCPU));
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), [t](void*) {}, t.options().device(at::kCPU));
}

static at::Storage storage_of(const Tensor& cpu) {
  auto* kept = new Tensor(cpu);
  size_t bytes = cpu.storage().nbytes() - cpu.storage_offset() * cpu.itemsize();
  return at::Storage(at::Storage::use_byte_size_t(), bytes, at::DataPtr(cpu.data_ptr(), kept, [](void* p) { delete static_cast<Tensor*>(p); }, at::Device(PRETEND, 0)));
}

static Tensor to_pretend(const Tensor& cpu) {
  if (!cpu.defined()) return cpu;
  TORCH_CHECK(cpu.scalar_type() != at::kDouble, "no float64 on the pretended device, as on Apple's");
  auto t = at::detail::make_tensor<at::TensorImpl>(storage_of(cpu), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), cpu.dtype());
  t.unsafeGetTensorImpl()->set_sizes_and_strides(cpu.sizes(), cpu.strides());
  return t;
}

static void adopt(const Tensor& original, const Tensor& cpu) {  // an operation resized its output
  if (cpu.sizes() == original.sizes() && cpu.numel() > 0) {
    if (cpu.data_ptr() != original.data_ptr()) to_cpu(original).copy_(cpu);
    return;
  }
  auto* impl = original.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(storage_of(cpu));
  impl->set_storage_offset(0);
  impl->set_sizes_and_strides(cpu.sizes(), cpu.strides());
}

static void on_the_processor(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const auto count = schema.arguments().size();
  auto arguments = torch::jit::last(stack, count);
  const auto begin = stack->size() - count;
  const bool indexing = schema.name().find("index") != std::string::npos;
  std::vector<std::pair<Tensor, Tensor>> changed;
  auto check = [&](const Tensor& t) {
    TORCH_CHECK(!t.defined() || ours(t) || t.dim() == 0 || indexing, "Expected all tensors to be on the same device, but got one on ", t.device(), " in ", schema.name());
  };
  for (size_t i = 0; i < count; i++) {
    const auto* alias = schema.arguments()[i].alias_info();
    auto move = [&](const Tensor& t) {
      check(t);
      const bool out = ours(t) && alias && alias->isWrite() && schema.arguments()[i].kwarg_only();  // it may be resized
      auto cpu = out ? at::empty({0}, t.options().device(at::kCPU)) : to_cpu(t);
      if (alias && alias->isWrite() && ours(t)) changed.emplace_back(t, cpu);
      return cpu;
    };
    auto& value = (*stack)[begin + i];
    if (value.isTensor()) {
      value = move(value.toTensor());
    } else if (value.isTensorList()) {
      std::vector<Tensor> list;
      for (const Tensor& t : value.toTensorVector()) list.push_back(move(t));
      value = c10::IValue(c10::List<Tensor>(list));
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor>& t : value.toOptionalTensorList().vec()) list.push_back(t ? std::optional<Tensor>(move(*t)) : std::nullopt);
      value = c10::IValue(list);
    } else if (value.isGenerator()) {
      TORCH_CHECK(value.toGenerator().device().type() == PRETEND, "Expected a 'pretend' device type for generator but found 'cpu' in ", schema.name());
    } else if (value.isDevice()) {
      value = c10::IValue(at::Device(at::kCPU));
    }
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  for (auto& [original, cpu] : changed) adopt(original, cpu);
  const auto& returns = schema.returns();
  const auto first = stack->size() - returns.size();
  for (size_t r = 0; r < returns.size(); r++) {
    const auto* alias = returns[r].alias_info();
    auto& value = (*stack)[first + r];
    if (value.isTensor()) {
      const Tensor result = value.toTensor();
      bool found = false;
      if (alias && alias->isWrite())
        for (auto& [original, cpu] : changed)
          if (cpu.unsafeGetTensorImpl() == result.unsafeGetTensorImpl()) value = original, found = true;
      TORCH_CHECK(found || !alias || alias->isWrite(), "no view on the pretended device: ", schema.name());
      if (!found) value = to_pretend(result);
    } else if (value.isTensorList()) {
      TORCH_CHECK(!alias, "no list of views on the pretended device: ", schema.name());
      std::vector<Tensor> list;
      for (const Tensor& t : value.toTensorVector()) list.push_back(to_pretend(t));
      value = c10::IValue(c10::List<Tensor>(list));
    }
  }
}

static Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return to_pretend(at::empty(size, at::TensorOptions().dtype(dtype.value_or(at::get_default_dtype_as_scalartype())), format));
}

static Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> dtype, std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return to_pretend(at::empty_strided(size, stride, at::TensorOptions().dtype(dtype.value_or(at::get_default_dtype_as_scalartype()))));
}

static Tensor copy_from(const Tensor& self, const Tensor& to, bool) {
  to_cpu(to).copy_(to_cpu(self));
  return to;
}

static Tensor copy_from_and_resize(const Tensor& self, const Tensor& to) {
  to.resize_(self.sizes());
  return copy_from(self, to, false);
}

static const Tensor& resize(const Tensor& self, c10::IntArrayRef size, std::optional<at::MemoryFormat>) {
  if (self.sizes() != size) adopt(self, at::empty(size, self.options().device(at::kCPU)));
  return self;
}

static Tensor& set_part(Tensor& self, at::Storage source, int64_t offset, c10::IntArrayRef size, c10::IntArrayRef stride) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(source));
  impl->set_storage_offset(offset);
  stride.empty() ? impl->set_sizes_contiguous(size) : impl->set_sizes_and_strides(size, stride);
  return self;
}

static Tensor& set_all(Tensor& self, at::Storage source) {
  int64_t size[] = {static_cast<int64_t>(source.nbytes() / self.itemsize())};
  return set_part(self, std::move(source), 0, size, {});
}

static at::Scalar number(const Tensor& self) { return to_cpu(self).item(); }

static Tensor as_strided(const Tensor& self, c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<int64_t> offset) { return at::native::as_strided_tensorimpl(self, size, stride, offset); }
static Tensor view(const Tensor& self, c10::IntArrayRef size) { return at::native::view(self, size); }
static Tensor reshape_alias(const Tensor& self, c10::IntArrayRef size, c10::IntArrayRef stride) { return at::native::_reshape_alias(self, size, stride); }
static Tensor unfold(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  auto sizes = self.sizes().vec(), strides = self.strides().vec();
  auto d = c10::maybe_wrap_dim(dimension, self.dim());
  strides.push_back(strides[d]), strides[d] *= step;
  sizes[d] = (sizes[d] - size) / step + 1, sizes.push_back(size);
  return at::native::as_strided_tensorimpl(self, sizes, strides, self.storage_offset());
}

static Tensor convolution(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias, c10::SymIntArrayRef stride, c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation, bool transposed, c10::SymIntArrayRef output_padding, c10::SymInt groups) {
  return to_pretend(at::convolution_symint(to_cpu(x), to_cpu(w), bias ? std::optional<Tensor>(to_cpu(*bias)) : bias, stride, padding, dilation, transposed, output_padding, groups));
}

static std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& g, const Tensor& x, const Tensor& w, c10::SymIntArrayRef stride, c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation, bool transposed, c10::SymIntArrayRef output_padding, c10::SymInt groups, std::array<bool, 3> mask) {
  std::vector<c10::SymInt> bias{w.sym_size(0)};
  auto [gx, gw, gb] = at::convolution_backward_symint(to_cpu(g), to_cpu(x), to_cpu(w), c10::SymIntArrayRef(bias), stride, padding, dilation, transposed, output_padding, groups, mask);
  return {to_pretend(gx), to_pretend(gw), to_pretend(gb)};
}

static Tensor quantile(const Tensor& self, double q, std::optional<int64_t> dim, bool keepdim, c10::string_view interpolation) { return to_pretend(at::quantile(to_cpu(self), q, dim, keepdim, interpolation)); }

static std::tuple<Tensor, Tensor> gru(const Tensor& input, const Tensor& hidden, const Tensor& hx, const std::optional<Tensor>& input_bias, const std::optional<Tensor>& hidden_bias) {
  auto i = to_cpu(input), h = to_cpu(hidden), state = to_cpu(hx);
  if (input_bias && input_bias->defined()) i = i + to_cpu(*input_bias), h = h + to_cpu(*hidden_bias);
  auto is = i.chunk(3, 1), hs = h.chunk(3, 1);
  auto r = (is[0] + hs[0]).sigmoid(), u = (is[1] + hs[1]).sigmoid(), n = (is[2] + r * hs[2]).tanh();
  return {to_pretend(u * (state - n) + n), to_pretend(at::cat({r, u, n, state, hs[2]}, 1))};
}

static std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> gru_backward(const Tensor& gradient, const Tensor& workspace, bool has_bias) {
  auto g = to_cpu(gradient);
  auto kept = to_cpu(workspace).chunk(5, 1);
  const auto &r = kept[0], &u = kept[1], &n = kept[2], &state = kept[3], &hn = kept[4];
  auto gu = g * (state - n) * (1 - u) * u, gn = g * (1 - u) * (1 - n * n), gr = gn * hn * (1 - r) * r;
  auto gi = at::cat({gr, gu, gn}, 1), gh = at::cat({gr, gu, gn * r}, 1);
  return {to_pretend(gi), to_pretend(gh), to_pretend(g * u), has_bias ? to_pretend(gi.sum(0)) : Tensor(), has_bias ? to_pretend(gh.sum(0)) : Tensor()};
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_the_processor>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("resize_", resize);
  m.impl("_local_scalar_dense", number);
  m.impl("set_.source_Storage", set_all);
  m.impl("set_.source_Storage_storage_offset", set_part);
  m.impl("as_strided", as_strided);
  m.impl("view", view);
  m.impl("_reshape_alias", reshape_alias);
  m.impl("unfold", unfold);
  m.impl("quantile.scalar", quantile);
  m.impl("_thnn_fused_gru_cell", gru);
  m.impl("_thnn_fused_gru_cell_backward", gru_backward);
  m.impl("convolution_overrideable", convolution);
  m.impl("convolution_backward_overrideable", convolution_backward);
}

