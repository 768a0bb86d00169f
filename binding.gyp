{
  "targets": [
    {
      "target_name": "extmem",
      "conditions": [
        ["OS=='linux'", {
          "sources": ["<!@(find native -name '*.cc' | sort)"]
        }, {
          "type": "none"
        }]
      ],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "cflags!": ["-fomit-frame-pointer"],
      # Aligned, or what a hook costs depends on what happens to be linked before it: 5 % of a sample, .2 ns of a pair.
      "cflags": ["-O2", "-falign-functions=64", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-omit-frame-pointer"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20", "-fno-rtti", "-fno-exceptions"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
      "ldflags": ["-Wl,-z,now", "-Wl,-z,nodelete"]
    }
  ]
}
