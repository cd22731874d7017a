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

howto_rst = \
	Documentation/howto/chain.rst \
	Documentation/howto/index.rst \
	Documentation/howto/kubernetes.rst \
	Documentation/howto/libvirt.rst \
	Documentation/howto/migrate.rst \
	Documentation/howto/numa.rst \
	Documentation/howto/openstack.rst \
	Documentation/howto/outside.rst \
	Documentation/howto/ovn.rst \
	Documentation/howto/qemu.rst \
	Documentation/howto/security-groups.rst

EXTRA_DIST += \
	Documentation/conf.py \
	Documentation/contributing.rst \
	$(howto_rst) \
	Documentation/index.rst \
	Documentation/intro/comparison.rst \
	Documentation/intro/install.rst \
	Documentation/intro/what.rst \
	Documentation/ref/index.rst \
	Documentation/topics/configuration.rst \
	Documentation/topics/counters.rst \
	Documentation/topics/design.rst \
	Documentation/topics/differential.rst \
	Documentation/topics/index.rst \
	Documentation/topics/performance.rst \
	Documentation/topics/security.rst \
	Documentation/topics/testing.rst \
	README.rst

# All of it as web pages.  Whatever Sphinx finds wrong, links within the pages
# included, is an error.
docs: html
html-local:
	@test -n '$(SPHINXBUILD)' || { echo \
	    "sphinx-build is needed (Debian package python3-sphinx); install it and run configure again"; \
	    exit 1; }
	$(AM_V_GEN)$(SPHINXBUILD) -q -W --keep-going -n -b html -d Documentation/_build/doctrees $(srcdir)/Documentation Documentation/_build/html
.PHONY: docs
clean-local: clean-docs
clean-docs:
	rm -rf Documentation/_build
.PHONY: clean-docs

# Man pages.
ref_rst = \
	Documentation/ref/accel-options.5.rst \
	Documentation/ref/ovs-accel-bugreport.8.rst \
	Documentation/ref/ovs-accel-textfile.8.rst \
	Documentation/ref/ovs-accel-top.8.rst \
	Documentation/ref/ovs-vswitchd-accel.8.rst
EXTRA_DIST += $(ref_rst)

if HAVE_RST2MAN
man_MANS = $(ref_rst:.rst=)
CLEANFILES += $(man_MANS)
$(man_MANS): %: %.rst
	$(AM_V_GEN)$(MKDIR_P) $(@D)
	$(AM_V_at)$(RST2MAN) --strict $< $@
endif
