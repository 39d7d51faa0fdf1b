"""What the PyTorch scripts share: how a model is trained and asked. Each of them gives a Side.

Needs torch 2.13.0 (the CPU build) and a C++ compiler for the compiled settings. Modes besides those of
peer_side:
eager        the usual loop with the optimiser's defaults
compile      the same with torch.compile(model)

What a setting's keys mean:
compile      what torch.compile sees: the model and loss, the optimiser's step too, or one function of
             the whole step (gradients by torch.func); freezing, autotune, wrapper: its options
spin         OpenMP threads that wait without sleeping
keep         malloc gives nothing back to the system, as large buffers come and go with every step
flush        subnormal numbers count as zeros
foreach, fused  how the optimiser works
channels_last   images and kernels in that memory format
onednn       (mlp) hidden layers in PyTorch's mkldnn layout, or by oneDNN's matmul on plain tensors.
             That matters where the processor is not Intel's: PyTorch's f32 products are MKL's, which
             leaves AVX-512 unused there
reduced      f32 tensors, bf16 products; --precision bfloat16 only
"""

import peer_side


def environment(setting, threads):
    """What OpenMP and malloc read before PyTorch is loaded."""
    variables = dict(OMP_NUM_THREADS=str(threads))
    if setting.get("spin"):
        variables["OMP_WAIT_POLICY"] = "ACTIVE"
    if setting.get("keep"):
        variables.update(MALLOC_MMAP_THRESHOLD_="1073741824", MALLOC_TOP_PAD_="268435456",
                         MALLOC_TRIM_THRESHOLD_="4294967296")
    return variables


def compiler(torch, setting):
    inductor = torch._inductor.config
    inductor.freezing = bool(setting.get("freezing"))
    inductor.cpp_wrapper = bool(setting.get("wrapper"))
    mode = "max-autotune-no-cudagraphs" if setting.get("autotune") else "default"
    return lambda f: torch.compile(f, mode=mode, dynamic=False)


def total_loss(loss_of, output, y):
    """Auxiliary heads, behind the output, count 0.3 each (Szegedy et al. 2014)."""
    if not isinstance(output, tuple):
        return loss_of(output, y)
    return loss_of(output[0], y) + 0.3 * sum(loss_of(head, y) for head in output[1:])


def whole_step(torch, model, workload):
    """Forward, gradients and update as one function: what torch.compile can see at most."""
    rate, parameters = workload["rate"], {k: v.detach() for k, v in model.named_parameters()}
    cross_entropy = torch.nn.functional.cross_entropy

    def loss_of(p, x, y):
        return total_loss(cross_entropy, torch.func.functional_call(model, p, (x,)), y)

    gradients = torch.func.grad_and_value(loss_of)
    if workload["optimizer"] == "SGD":
        def step(x, y):
            g, loss = gradients(parameters, x, y)
            for k, p in parameters.items():
                p.sub_(g[k], alpha=rate)
            return loss
        return step

    m = {k: torch.zeros_like(p) for k, p in parameters.items()}
    v = {k: torch.zeros_like(p) for k, p in parameters.items()}
    t = torch.zeros(())

    def step(x, y):
        g, loss = gradients(parameters, x, y)
        t.add_(1)
        fast, slow = 1 - 0.9**t, (1 - 0.999**t).sqrt()
        for k, p in parameters.items():
            m[k].lerp_(g[k], 0.1)
            v[k].mul_(0.999).addcmul_(g[k], g[k], value=0.001)
            p.sub_(rate / fast * m[k] / (v[k].sqrt() / slow + 1e-8))
        return loss
    return step


def model_of(torch, side, workload, setting):
    model = side.make_model(torch, workload, setting)
    if setting.get("channels_last"):
        model = model.to(memory_format=torch.channels_last)
    return model


def train_step(torch, model, workload, setting, precision):
    wrap, compiles = compiler(torch, setting), setting.get("compile")
    if compiles == "whole":
        return wrap(whole_step(torch, model, workload))
    options = {k: True for k in ("foreach", "fused") if setting.get(k)}
    if workload.get("momentum"):
        options["momentum"] = workload["momentum"]
    make = getattr(torch.optim, workload["optimizer"])
    optimizer = make(model.parameters(), lr=workload["rate"], **options)
    forward = wrap(model) if compiles == "model" else model
    cross_entropy = torch.nn.functional.cross_entropy
    narrow = precision == "bfloat16" and not setting.get("reduced")

    def loss_of(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            return total_loss(cross_entropy, forward(x), y)

    if compiles in ("loss", "loss+step"):
        loss_of = wrap(loss_of)
    update = wrap(optimizer.step) if compiles == "loss+step" else optimizer.step

    def step(x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        update()
        return loss
    return step


def predict_step(torch, model, workload, setting, precision):
    model = model.eval()
    if precision == "bfloat16":
        model = model.to(torch.bfloat16)
    forward = compiler(torch, setting)(model) if setting.get("compile") else model
    narrow = precision == "bfloat16"

    def step(x, y):
        with torch.inference_mode():
            return forward(x.to(torch.bfloat16) if narrow and x.is_floating_point() else x)
    return step


def described(torch, model, x, phase):
    """What our side must agree with. PyTorch's LSTM has the gates' bias twice; it counts once."""
    twice = sum(p.numel() for module in model.modules() if isinstance(module, torch.nn.LSTM)
                for name, p in module.named_parameters() if name.startswith("bias_hh"))
    sample = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
    facts = dict(parameters=sum(p.numel() for p in model.parameters()) - twice,
                 sample=list(sample.shape[1:]))
    if phase != "generate":
        with torch.inference_mode():
            facts["outputs"] = model.eval()(x[:1]).numel()
        model.train()
    return facts


def prepare(side, arguments, setting):
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(bool(setting.get("flush")))
    if setting.get("reduced"):
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    name, phase = arguments.workload, arguments.phase
    workload = dict(side.workloads[name], name=name, phase=phase)
    batches = side.make_data(torch, workload, arguments.batch or workload["batch"], setting)
    model = model_of(torch, side, workload, setting)
    facts = dict(described(torch, model, batches[0][0], phase), pytorch=torch.__version__)
    make = train_step if phase == "train" else predict_step
    step = make(torch, model, workload, setting, arguments.precision)
    return peer_side.Work(step, batches, facts, lambda result: result.float().mean().item())


def fits(setting, precision):
    only_f32 = setting.get("compile") == "whole" or setting.get("onednn")
    return not (setting.get("reduced") if precision == "float32" else only_f32)


PYTORCH = peer_side.Library("PyTorch", ["eager", "compile"], environment, fits, prepare)


def main(side):
    peer_side.main(side, PYTORCH)
