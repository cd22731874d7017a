# Copyright (c) 2026 The OVS-Accel Authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Configuration of Sphinx, for "make html".  The version is configure.ac's."""

import os
import re

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, os.pardir, "configure.ac"),
          encoding="utf-8") as f:
    release = re.search(r"AC_INIT\(\[[^]]*\], *\[([^]]*)\]", f.read()).group(1)
version = release

project = "OVS-Accel"
author = "The OVS-Accel Authors"
copyright = "2026, " + author

exclude_patterns = ["_build"]
highlight_language = "none"
pygments_style = "sphinx"

html_theme = "alabaster"
html_theme_options = {
    "description": "A datapath of Open vSwitch for virtual machines",
    "fixed_sidebar": True,
    "page_width": "1060px",
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_show_sourcelink = False
html_copy_source = False
# The same pages whenever they are built.
html_last_updated_fmt = None
