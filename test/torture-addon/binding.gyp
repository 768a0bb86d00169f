{
  "target_defaults": {
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++17", "-fexceptions", "-O1"]
  },
  "targets": [
    { "target_name": "torture", "sources": ["torture.cc", "../native/torture.cc"], "cflags_cc": ["-fno-omit-frame-pointer"] },
    { "target_name": "frameless", "sources": ["leak.cc"], "cflags_cc": ["-O2", "-fomit-frame-pointer"] },
    { "target_name": "stripped", "sources": ["leak.cc"], "ldflags": ["-s"] },
    { "target_name": "leak", "sources": ["leak.cc"] },
    { "target_name": "wrapper", "sources": ["wrapper.cc"] },
    { "target_name": "stack_sample", "sources": ["stack_sample.cc"], "cflags_cc": ["-fno-omit-frame-pointer"] },
    { "target_name": "pairs", "sources": ["pairs.cc"], "cflags_cc": ["-O2"] },
    { "target_name": "held", "sources": ["held.cc"], "cflags_cc": ["-O2", "-fno-omit-frame-pointer"] },
    { "target_name": "opener", "sources": ["opener.cc"], "cflags_cc": ["-fno-omit-frame-pointer"] },
    {
      # Code of the same shape as that of `reloaded`, under another name.
      "target_name": "replaced", "type": "shared_library", "product_prefix": "", "product_extension": "so",
      "sources": ["reloaded.cc"], "cflags_cc": ["-fno-omit-frame-pointer"],
      "defines": ["reloaded_allocate=replaced_allocate", "reloaded_through=replaced_through"],
      "ldflags": ["-Wl,-z,relro,-z,now"]
    },
    {
      "target_name": "auditor", "type": "shared_library", "product_prefix": "", "product_extension": "so",
      "sources": ["auditor.cc"]
    },
    {
      "target_name": "thread_local", "type": "shared_library", "product_prefix": "", "product_extension": "so",
      "sources": ["thread_local.cc"]
    },
    {
      "target_name": "reloaded", "type": "shared_library", "product_prefix": "", "product_extension": "so",
      "sources": ["reloaded.cc"], "cflags_cc": ["-fno-omit-frame-pointer"],
      # Read-only as soon as it is relocated, its import table too.
      "ldflags": ["-Wl,-z,relro,-z,now"]
    }
  ]
}
